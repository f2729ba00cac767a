"""Which answers are the service's own, and which were given in its place.

Theory. Between a client and an endpoint there may be a balancer, a proxy, a captive portal. While
one of them restarts, is set up anew or has lost its way, it answers with statuses of its own: 404,
403, 413, a redirect, a page with status 200. None of these says anything about the request, and
all of them pass. Only a problem document of one of our own types comes from an endpoint, and
only such a one may end an operation for good; only a reply that can be read, and that fits what was
asked, may end it well. All others count as no answer: they are tried again for as long as silence
would be, and another endpoint is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

from workmill.domain.errors import EndpointUnreachable, InvalidInput
from workmill.wire import codecs
from workmill.wire.messages import PROBLEM_PREFIX, Problem

T = TypeVar("T")

SHOWN_CHARACTERS: Final = 100
"""Of a stranger's words, in an error's message."""


class Reply(Protocol):
    """What is looked at: see `core.Reply`."""

    @property
    def status(self) -> int: ...
    @property
    def content(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def url(self) -> str: ...


def own_problem(reply: Reply) -> Problem | None:
    """The problem that an endpoint tells of; None when it was not an endpoint that spoke."""
    kind = reply.headers.get("content-type", codecs.PROBLEM).partition(";")[0].strip().lower()
    if kind != codecs.PROBLEM:
        return None
    try:
        problem = codecs.from_json(reply.content, Problem)
    except InvalidInput:
        return None
    return problem if problem.type.startswith(PROBLEM_PREFIX) else None


def no_answer(reply: Reply) -> EndpointUnreachable:
    """The error for an answer that no endpoint gave, or that cannot be read."""
    text = reply.content[: 4 * SHOWN_CHARACTERS].decode(errors="replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return no_endpoint(reply.status, repr(words[:SHOWN_CHARACTERS]) if words else "", reply.url)


def no_endpoint(status: int, said: str = "", url: str = "") -> EndpointUnreachable:
    """The same, of an answer of which nothing else is known."""
    place = f" at {url}" if url else ""
    said = f": {said}" if said else ""
    return EndpointUnreachable(
        f"What answered{place} is not an endpoint of Workmill (HTTP status {status}{said}). "
        "Whether the request was carried out is not known; it may be repeated. Check the URL and "
        "what stands there: a proxy in between, another service, or Workmill of another version."
    )


def read_answer(reply: Reply, decode: Callable[[bytes], T]) -> T:
    """What a good reply says. Raises EndpointUnreachable when `decode` cannot read it."""
    try:
        return decode(reply.content)
    except InvalidInput:
        raise no_answer(reply) from None


def is_copy(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is a copy of the store, before it is read: a page of somebody else's is
    none, nor is what would end wherever the connection does."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    framed = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")
    return status == HTTPStatus.OK and kind == codecs.OCTETS and framed
