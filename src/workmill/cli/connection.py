"""From `--url` and `--key-file` to a client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workmill.cli.options import text_of
from workmill.runtime.keys import read_key

if TYPE_CHECKING:
    from workmill import Client


def connect(url: list[str], key_file: Path | None) -> Client:
    """A client of the service at these URLs; close it by `with`. Raises InvalidInput."""
    from workmill import Client

    return Client(url, key=read_key(text_of(key_file)))
