"""Where httpx begins: our requests become its own, its replies and errors become ours.

Requests go straight to pools that speak TLS and keep time limits (`connection_pools`). httpx's
clients would add cookies, redirects, authentication and a merge of defaults, none of which this
service has, at about 0.2 ms of processor time a request: as much as the rest.

Every foreign error ends here. Those of the way to the endpoint become EndpointUnreachable, which
may be tried again; those of the libraries themselves become WorkmillError, which is not. A library
may put what it was given into its words, the key among it: such words go no further.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

import anyio
import h11
import httpcore
import httpx

from workmill.client import arguments
from workmill.client.addresses import Addresses
from workmill.client.caller_exceptions import callers_own
from workmill.client.exchange_bounds import REFUSAL_BYTES
from workmill.client.foreign_answers import is_copy, no_endpoint, own_problem
from workmill.client.steps import Reply, Request
from workmill.client.upload import Body
from workmill.domain.errors import EndpointUnreachable, InvalidInput, Unavailable, WorkmillError

CONNECT_SECONDS: Final = 3.0
LONGEST_SECONDS: Final = 24 * 3600.0
"""Of any one wait for the network: libraries cannot count to infinity."""
CAUSE_CHARACTERS: Final = 300
BUSY: Final = frozenset({502, 503, 504})
"""Statuses after which another endpoint is asked first."""

NO_CONNECTION: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
)
"""Nothing was sent, so the next endpoint may be asked within the same attempt."""

_OUR_OWN: Final = (httpx.LocalProtocolError, httpcore.LocalProtocolError, h11.LocalProtocolError)
"""We said what no request may say: no other attempt would say better."""

_ON_THE_WAY: Final = (
    httpx.HTTPError,
    httpcore.ConnectionNotAvailable,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    h11.ProtocolError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    EOFError,
    OSError,
)


def is_callers(error: Exception, request: Request, body: Body | None) -> bool:
    """Whether an error is the caller's own: of the file that is sent, of the one that is written,
    or of the function that hears how far it is. It goes through as it is."""
    if body is not None and body.failure is error:
        return True
    if isinstance(error, MemoryError):
        return True
    return request.into is not None and isinstance(error, OSError)


def translated(failure: Exception | None) -> BaseException:
    """The one translation of what the libraries raise; our own errors stay as they are, and so does
    what the caller's own code raised in the middle."""
    if failure is None:
        return unreachable(None)
    own = callers_own(failure)
    if own is not None:
        return own
    if isinstance(failure, WorkmillError):
        return failure
    if isinstance(failure, _OUR_OWN):
        return WorkmillError(
            "The request could not be put into HTTP. Nothing was sent. Check the URL and the key."
        )
    if isinstance(failure, _ON_THE_WAY):
        return unreachable(failure)
    error = WorkmillError(
        f"The HTTP library failed ({_cause(failure)}). Whether the request was carried out is not "
        "known; it may be repeated."
    )
    error.__cause__ = failure
    return error


def orderly(error: BaseException) -> bool:
    """Whether a call ended as its libraries foresee: what came between any two of their steps, the
    caller's signal or a bug, may have left connections half way."""
    cause = error.__cause__
    foreseen = cause is None or isinstance(cause, (WorkmillError, *_ON_THE_WAY))
    return isinstance(error, WorkmillError) and foreseen


def unreachable(failure: Exception | None) -> EndpointUnreachable:
    """No answer came."""
    cause = _cause(failure) if failure else "no address"
    error = EndpointUnreachable(
        f"No endpoint answered ({cause}). Whether the request was carried out is not "
        "known; it may be repeated. Check the URL, and that the service runs."
    )
    error.__cause__ = failure
    return error


def too_slow() -> EndpointUnreachable:
    """An answer began, but would take for ever."""
    return unreachable(httpcore.ReadTimeout("it took too long in all"))


def all_busy(most: int) -> Unavailable:
    """The bound is our own: no word about the endpoint."""
    return Unavailable(
        f"{most} requests of this client are under way, and none ended in time for another one. "
        "Nothing was sent. Try again later, or use another client."
    )


def closed() -> InvalidInput:
    """Used after its end."""
    return InvalidInput("This client is closed. Nothing was sent. Make a new one.")


def _cause(failure: Exception) -> str:
    text = " ".join(f"{type(failure).__name__}: {failure}".split())
    return text[:CAUSE_CHARACTERS].rstrip(": ")


def context_for(addresses: Addresses) -> ssl.SSLContext:
    """What TLS is spoken with. Reading certificates is slow: only where TLS is."""
    if addresses.encrypted:
        with suppress(OSError):  # SSLKEYLOGFILE, a help for debugging, names what cannot be written
            return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if addresses.encrypted:
        context.load_default_certs()
    return context


def headers_of(key: str | None) -> dict[str, str]:
    """What every request of one client says. Raises InvalidInput for what cannot be a key."""
    key = arguments.key(key)
    authorization = {"authorization": f"Bearer {key}"} if key else {}
    return {
        "user-agent": "workmill",
        "accept": "*/*",
        "accept-encoding": "identity",  # unsaid it means: whatever a proxy likes (RFC 9110, 12.5.3)
        **authorization,
    }


def built(
    url: str,
    request: Request,
    headers: Mapping[str, str],
    content: object,
    length: int | None = None,
) -> httpx.Request:
    """The request for httpx. `content` is bytes, or chunks of the transport's kind; then
    `length` is its size, or it goes in chunks."""
    silence = min(request.timeout_seconds, LONGEST_SECONDS)
    named = dict(headers)
    if request.content_type:
        named["content-type"] = request.content_type
    if length is not None:
        named["content-length"] = str(length)
    timeout = httpx.Timeout(silence, connect=min(silence, CONNECT_SECONDS), pool=None)
    return httpx.Request(
        request.method,
        _address(url + request.path, tuple(request.query.items())),
        headers=named,
        content=content,  # type: ignore[arg-type]
        extensions={"timeout": timeout.as_dict()},
    )


@lru_cache(maxsize=64)
def _address(text: str, query: tuple[tuple[str, str | int | float], ...]) -> httpx.URL:
    """Parsing costs 0.1 ms, and a worker asks for the same few addresses all its life."""
    return httpx.URL(text, params=query or None)


class Reading:
    """The body of one answer as it comes in: bounded, and never decoded.

    We ask for no compression, so a body that is compressed is none of ours; and a few kilobytes of
    it could be gigabytes.
    """

    def __init__(self, answer: httpx.Response, most_bytes: int) -> None:
        self._answer = answer
        self._refusal = not answer.is_success
        self._most_bytes = REFUSAL_BYTES if self._refusal else most_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        coding = answer.headers.get("content-encoding", "identity").strip().lower()
        if coding not in {"", "identity"} and not self._refusal:
            raise self._none(f"compressed by {coding[:20]!r}, which was not asked for")

    def add(self, chunk: bytes) -> bool:
        """Take a piece; says whether to go on. Raises WorkmillError when there are too many."""
        self._size += len(chunk)
        if self._size <= self._most_bytes:
            self._chunks.append(chunk)
            return True
        if self._refusal:
            return False
        raise self._none(f"over {self._most_bytes} bytes long")

    def reply(self) -> Reply:
        """What was read, as our own."""
        return Reply(self._answer.status_code, b"".join(self._chunks), self._answer.headers)

    def _none(self, why: str) -> EndpointUnreachable:
        return no_endpoint(self._answer.status_code, why)


def is_for_file(answer: httpx.Response, request: Request) -> bool:
    """Whether this goes into the file that was named: anybody's page does not."""
    return request.into is not None and is_copy(answer.status_code, answer.headers)


def whole_copy(answer: httpx.Response, size_bytes: int) -> None:
    """Raises EndpointUnreachable for a copy without a byte in it: no store is that small."""
    if size_bytes == 0:
        raise no_endpoint(answer.status_code, "nothing")


def noted(reply: Reply, url: str, addresses: Addresses) -> Reply:
    """The reply, which names its endpoint; when it is one of `BUSY`, or no endpoint's, the next
    request goes to another endpoint first."""
    if reply.status in BUSY or (reply.status >= 300 and own_problem(reply) is None):
        addresses.avoid(url)
    return Reply(reply.status, reply.content, reply.headers, url)
