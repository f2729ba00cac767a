"""The command line as a process of its own, against an endpoint of the test."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

WORKMILL = (sys.executable, "-P", "-m", "workmill")
SECONDS = 60.0


def run(
    *words: str | bytes,
    url: str,
    stdin: bytes | IO[bytes] | int = b"",
    stdout: int = subprocess.PIPE,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """One command to its end. No traceback, whatever it was."""
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        [*WORKMILL, *words],
        **given,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "WORKMILL_URL": url},
        cwd=cwd,
        timeout=SECONDS,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert b"fault of Workmill" not in done.stderr
    return done


def at_terminal(
    *words: str | bytes,
    url: str,
    typed: bytes = b"",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, bytes]:
    """One command with a terminal for all three streams: its exit code and what stood there."""
    leader, terminal = pty.openpty()
    os.write(leader, typed)
    with subprocess.Popen(
        [*WORKMILL, *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "WORKMILL_URL": url, **settings},
        process_group=0,
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(leader, 65536):
                shown += piece
        except OSError:  # Linux's word for: nobody has the terminal open
            pass
        os.close(leader)
        return process.wait(SECONDS), shown
