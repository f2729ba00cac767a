"""One shape for every call: a handler takes a `Request` and returns a `Reply`.

Both are thin: the hot routes run through them thousands of times a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from workmill.domain.errors import BodyTooLarge
from workmill.endpoint.exchange import UNBUFFERED, ClientGone, Exchange, Headers
from workmill.wire import codecs

__all__ = ["ClientGone", "Headers", "Reply", "Request", "too_large"]

TYPE: Final = b"content-type"
LENGTH: Final = b"content-length"
_OF_PROXIES: Final = frozenset((b"via", b"forwarded", b"x-forwarded-for"))


def too_large(max_bytes: int) -> BodyTooLarge:
    """The refusal of a body over `max_bytes`."""
    return BodyTooLarge(
        f"The body is over the limit of {max_bytes} bytes. Nothing was stored. Send less, or "
        "have the service's limit raised."
    )


class Request:
    """One call. `argument` is the part of the path behind its route's prefix."""

    __slots__ = ("argument", "body_read", "exchange", "headers", "query")

    def __init__(self, exchange: Exchange, argument: str) -> None:
        self.exchange = exchange
        self.headers: Headers = exchange.head.headers
        self.query: bytes = exchange.head.query
        self.argument = argument
        self.body_read = False

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def proxied(self) -> bool:
        """Whether somebody passes this on (RFC 9110, section 7.6.3; RFC 7239), or it looks so."""
        return any(name in _OF_PROXIES for name, _ in self.headers)

    def content_length(self) -> int | None:
        """The announced size in bytes; None for chunked transfer."""
        return self.exchange.head.length

    async def next_chunk(self) -> bytes:
        """The next piece of the body; `body_read` is set with the last.

        Raises ClientGone, and MalformedRequest when the rest of the body cannot be read.
        """
        body = await self.exchange.next_chunk()
        self.body_read = self.exchange.body_complete
        return body

    async def sending_ended(self) -> None:
        """Return when the caller sends no more: he has hung up, or reads what still comes."""
        await self.exchange.until_sending_ended()


@dataclass(slots=True)
class Reply:
    """An answer: bytes, or a stream of them. `length` is left out of streams only."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: Headers
    on_arrival: Callable[[bool], None] | None = None
    """Told once whether the answer has arrived, where that makes a difference."""
    hold_seconds: float = 0.0
    """How long a proxy is given to find that its caller hung up while this answer was made."""

    @classmethod
    def of(cls, body: bytes, kind: str, *, status: int = 200) -> Reply:
        """A whole body with its Content-Type."""
        length = str(len(body)).encode()
        return cls(status, body, [(TYPE, kind.encode()), (LENGTH, length)])

    @classmethod
    def json(cls, message: object, *, status: int = 200) -> Reply:
        """A message as JSON."""
        return cls.of(codecs.to_json(message), codecs.JSON, status=status)

    @classmethod
    def msgpack(cls, message: object) -> Reply:
        """A message as MessagePack."""
        return cls.of(codecs.to_msgpack(message), codecs.MSGPACK)

    @classmethod
    def empty(cls) -> Reply:
        """204: it is done, and there is nothing to say."""
        return cls(204, b"", [])

    @classmethod
    def stream(cls, chunks: AsyncIterator[bytes], kind: str) -> Reply:
        """A body whose length is not known yet."""
        return cls(200, chunks, [(TYPE, kind.encode()), UNBUFFERED])
