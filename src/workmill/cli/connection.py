"""From `--url` and `--key-file` to a client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from workmill.cli.options import text_of
from workmill.runtime.keys import read_key

if TYPE_CHECKING:
    from workmill import Client

PATIENCE_SECONDS: Final = 10.0
"""How long a person waits for a service that does not answer: as long as an endpoint may take to
be replaced, twice."""


def connect(
    url: list[str], key_file: Path | None, *, patience_seconds: float = PATIENCE_SECONDS
) -> Client:
    """A client of the service at these URLs; close it by `with`. Raises InvalidInput."""
    from workmill import Client

    return Client(url, key=read_key(text_of(key_file)), timeout_seconds=patience_seconds)
