"""The image's health check: whether the role that this container plays is alive.

An endpoint is asked. A worker or a controller has no door: it is alive while its process runs, and
the service sees its silence by itself.
"""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from typing import Final

FIRST_PROCESS: Final = Path("/proc/1/cmdline")
SERVING: Final = {"up", "endpoint"}
DEFAULT_PORT: Final = "5000"
ANSWER_SECONDS: Final = 2.0


def port_of(words: list[str]) -> str | None:
    """Where the process with this command line serves; None when it does not."""
    if not SERVING & set(words):
        return None
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option == "--port":
            return value
        if option.startswith("--port="):
            return option.removeprefix("--port=")
    return DEFAULT_PORT


def main() -> int:
    """0 when it is alive."""
    port = port_of(FIRST_PROCESS.read_text().split("\0"))
    if port is None:
        return 0
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/healthz", timeout=ANSWER_SECONDS
        ) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        print(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
