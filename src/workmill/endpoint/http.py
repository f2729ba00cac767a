"""One shape for every call: a handler takes a `Request` and returns a `Reply`.

Both are as thin as ASGI (asgi.readthedocs.io) allows: the hot routes run through them
thousands of times a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from workmill.domain.errors import BodyTooLarge, InvalidInput
from workmill.wire import codecs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

TYPE: Final = b"content-type"
LENGTH: Final = b"content-length"


class ClientGone(Exception):
    """The caller hung up before its request was whole: there is nobody to answer."""


def too_large(max_bytes: int) -> BodyTooLarge:
    """The refusal of a body over `max_bytes`."""
    return BodyTooLarge(
        f"The body is over the limit of {max_bytes} bytes. Nothing was stored. Send less, or "
        "have the service's limit raised."
    )


class Request:
    """One call. `argument` is the part of the path behind its route's prefix."""

    __slots__ = ("argument", "body_read", "headers", "query", "receive")

    def __init__(self, scope: Scope, receive: Receive, argument: str) -> None:
        self.headers: Headers = scope["headers"]
        self.query: bytes = scope["query_string"]
        self.receive = receive
        self.argument = argument
        self.body_read = False

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def content_length(self) -> int | None:
        """The announced size in bytes; None for chunked transfer."""
        length = self.header(LENGTH)
        if length is None:
            return None
        if not length.isdigit():
            raise InvalidInput("The Content-Length is no number. Nothing was stored.")
        return int(length)

    def has_unread_body(self) -> bool:
        """Whether bytes of a body may still be on their way."""
        if self.body_read:
            return False
        return self.header(LENGTH) not in (None, b"0") or bool(self.header(b"transfer-encoding"))

    async def next_chunk(self) -> bytes:
        """The next piece of the body; `body_read` is set with the last. Raises ClientGone."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body", False):
            self.body_read = True
        body: bytes = message.get("body", b"")
        return body

    async def disconnected(self) -> None:
        """Return when the caller has hung up. Only after the whole body was read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass(slots=True)
class Reply:
    """An answer: bytes, or a stream of them. `length` is left out of streams only."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: Headers

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
        return cls(200, chunks, [(TYPE, kind.encode()), (b"cache-control", b"no-store")])
