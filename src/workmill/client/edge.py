"""Where httpx begins: our requests become its own, its replies and errors become ours.

Requests go straight to httpx's transports, which pool connections, speak TLS and keep time
limits. Its clients would add cookies, redirects, authentication and a merge of defaults, none of
which this service has, at about 0.2 ms of processor time a request: as much as the rest.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import httpx

from workmill.client.addresses import Addresses
from workmill.client.core import Reply, Request
from workmill.client.foreign import own_problem
from workmill.domain.errors import EndpointUnreachable

CONNECT_SECONDS: Final = 3.0
CHUNK_BYTES: Final = 256 * 1024
BUSY: Final = frozenset({502, 503, 504})
"""Statuses after which another endpoint is asked first."""

NO_CONNECTION: Final = (httpx.ConnectError, httpx.ConnectTimeout)
"""Nothing was sent, so the next endpoint may be asked within the same attempt."""


def unreachable(failure: httpx.RequestError | None) -> EndpointUnreachable:
    """The one translation of what httpx raises."""
    cause = f"{type(failure).__name__}: {failure}" if failure else "no address"
    return EndpointUnreachable(
        f"No endpoint answered ({cause.rstrip(': ')}). Whether the request was carried out is not "
        "known; it may be repeated. Check the URL, and that the service runs."
    )


def settings(addresses: Addresses) -> dict[str, Any]:
    """What both httpx transports are made with. Reading certificates is slow: only for TLS."""
    encrypted = addresses.encrypted
    context = ssl.create_default_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return {"verify": context, "trust_env": False}


def headers_of(key: str | None) -> dict[str, str]:
    """What every request of one client says."""
    authorization = {"authorization": f"Bearer {key}"} if key else {}
    return {"user-agent": "workmill", "accept": "*/*", **authorization}


def built(
    url: str,
    request: Request,
    headers: Mapping[str, str],
    content: bytes | Iterable[bytes] | AsyncIterable[bytes],
) -> httpx.Request:
    """The request for httpx; `content` is that of the request, opened when it is a file."""
    silence = request.timeout_seconds
    named = dict(headers)
    if request.content_type:
        named["content-type"] = request.content_type
    if isinstance(request.content, Path):
        named["content-length"] = str(request.content.stat().st_size)
    timeout = httpx.Timeout(silence, connect=min(silence, CONNECT_SECONDS))
    return httpx.Request(
        request.method,
        _address(url + request.path, tuple(request.query.items())),
        headers=named,
        content=content,
        extensions={"timeout": timeout.as_dict()},
    )


@lru_cache(maxsize=64)
def _address(text: str, query: tuple[tuple[str, str | int | float], ...]) -> httpx.URL:
    """Parsing costs 0.1 ms, and a worker asks for the same few addresses all its life."""
    return httpx.URL(text, params=query or None)


def reply_of(incoming: httpx.Response) -> Reply:
    """A reply that was read whole."""
    return Reply(incoming.status_code, incoming.content, incoming.headers)


def noted(reply: Reply, url: str, addresses: Addresses) -> Reply:
    """The reply; when it is one of `BUSY`, or no endpoint's, the next request goes to another
    endpoint first."""
    if reply.status in BUSY or (reply.status >= 300 and own_problem(reply) is None):
        addresses.avoid(url)
    return reply
