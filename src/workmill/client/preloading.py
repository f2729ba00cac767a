"""What the libraries under the client would import while it is used, imported before.

A client may be used by threads while others fork (`process.imports` has the theory). A module that
is there already takes no lock. One that is missing is looked for, under its lock, each time: so
httpcore, which asks for sniffio at every step of a call that awaits, must find it.
"""

from __future__ import annotations

import codecs
from importlib import import_module
from typing import Final

from workmill.process.imports import importing

_BLOCKING: Final = ("encodings.idna",)
"""By socket.getaddrinfo, whatever the name of the host."""
_AWAITING: Final = (
    *_BLOCKING,
    "concurrent.futures.thread",
    "sniffio",
    "anyio._backends._asyncio",
    "anyio.streams.stapled",
    "anyio.streams.tls",
)


def import_what_blocks() -> None:
    """For calls that block."""
    _import(_BLOCKING)


def import_what_awaits() -> None:
    """For calls that await."""
    _import(_AWAITING)


def _import(names: tuple[str, ...]) -> None:
    with importing:
        for name in names:
            import_module(name)
        codecs.lookup("idna")  # kept: at the interpreter's end no codec is found any more
