"""What goes to an endpoint and what comes back, as plain values. No I/O happens here.

Theory. Every operation of the client is a generator of `Steps`: it yields a `Request`, is sent
the `Reply`, and returns its value. When no endpoint answered, `EndpointUnreachable` is thrown
into it instead. So retries, long polls and paging are written once, without I/O, and the two
transports differ only in the word `await`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import msgspec

from workmill.client.exchange_bounds import REPLY_BYTES
from workmill.client.foreign_answers import no_answer, own_problem
from workmill.client.upload import Source
from workmill.domain.errors import (
    BodyTooLarge,
    Conflict,
    InvalidInput,
    NotAuthorized,
    NotFound,
    Unavailable,
    WorkmillError,
    error_for,
)
from workmill.wire.messages import PROBLEM_PREFIX

T = TypeVar("T")

SILENCE_SECONDS: Final = 10.0
"""How long one attempt bears an endpoint that says nothing, beyond a wait it was asked for."""

LONGEST_RETRY_AFTER_SECONDS: Final = 60.0
"""The longest that an answer can have us wait before we ask again."""


class Request(msgspec.Struct, frozen=True):
    """One request. A path or a source as `content` is streamed, anew in every attempt.

    `delay_seconds` is how long to hold back before sending: a retry's pause.
    `timeout_seconds` is the longest silence that this attempt bears.
    `into` names a file to stream a good reply into; `Reply.content` is then empty.
    `most_bytes` is the most that a reply may have in memory.
    `not_first` is the base URL of an endpoint whose answer was none: others are asked first.
    """

    method: str
    path: str
    query: Mapping[str, str | int | float] = {}
    content: bytes | Path | Source = b""
    content_type: str | None = None
    delay_seconds: float = 0.0
    timeout_seconds: float = SILENCE_SECONDS
    into: Path | None = None
    most_bytes: int = REPLY_BYTES
    not_first: str = ""

    def source(self) -> Source | None:
        """Where the body is read from, when it is not in memory."""
        content = self.content
        if isinstance(content, Source):
            return content
        return Source(content) if isinstance(content, Path) else None


class Reply(msgspec.Struct, frozen=True):
    """What an endpoint answered. The names in `headers` are in lower case; `url` is its base."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = {}
    url: str = ""


Steps: TypeAlias = Generator[Request, Reply, T]
"""An operation in progress: yields requests, is sent replies, returns its value."""


def check(reply: Reply) -> Reply:
    """The reply itself when it is a good one; raises the error that it tells of otherwise. A part
    (206), or what a proxy made of it (203), is not good: no endpoint answers like that."""
    if reply.status in _GOOD:
        return reply
    error = _told_by(reply)
    error.retry_after_seconds = _believed(error.retry_after_seconds)
    raise error


_GOOD: Final = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})


def _believed(wait_seconds: float | None) -> float | None:
    """A time to wait as far as anybody can be sent away; None for what is no such time."""
    if wait_seconds is None or not wait_seconds >= 0.0:
        return None
    return min(wait_seconds, LONGEST_RETRY_AFTER_SECONDS)


def _told_by(reply: Reply) -> WorkmillError:
    problem = own_problem(reply)
    if problem is None:  # something between us and the endpoint spoke, a balancer perhaps
        error: WorkmillError = no_answer(reply)
        error.retry_after_seconds = _retry_after_seconds(reply)
        return error
    kind = error_for(problem.type.removeprefix(PROBLEM_PREFIX))
    if kind is WorkmillError:
        kind = _kind_of(reply.status)
    error = kind(problem.detail or problem.title)
    wait = problem.retry_after_seconds
    error.retry_after_seconds = _retry_after_seconds(reply) if wait is None else wait
    return error


def _kind_of(status: int) -> type[WorkmillError]:
    """The nearest error for a status that came without a problem type that we know."""
    if status in _KINDS:
        return _KINDS[status]
    return InvalidInput if 400 <= status < 500 else WorkmillError


_KINDS: Final[Mapping[int, type[WorkmillError]]] = {
    401: NotAuthorized,
    403: NotAuthorized,
    404: NotFound,
    409: Conflict,
    413: BodyTooLarge,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def _retry_after_seconds(reply: Reply) -> float | None:
    """The Retry-After header (RFC 9110, section 10.2.3) when it is in seconds, not a date."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
