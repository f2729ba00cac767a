"""Where httpx begins: our requests become its own, its replies and errors become ours."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Final

import httpx

from workmill.client.addresses import Addresses
from workmill.client.core import Reply, Request
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


def settings(addresses: Addresses, key: str | None) -> dict[str, Any]:
    """What both httpx clients are made with. Reading certificates is slow, so only for TLS."""
    headers = {"user-agent": "workmill"} | ({"authorization": f"Bearer {key}"} if key else {})
    encrypted = addresses.encrypted
    context = ssl.create_default_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return {"headers": headers, "verify": context, "trust_env": False}


def built(url: str, request: Request) -> dict[str, Any]:
    """The arguments of `build_request`, but for the content."""
    silence = request.timeout_seconds
    headers = {"content-type": request.content_type} if request.content_type else {}
    if isinstance(request.content, Path):
        headers["content-length"] = str(request.content.stat().st_size)
    return {
        "method": request.method,
        "url": url + request.path,
        "params": request.query or None,
        "headers": headers,
        "timeout": httpx.Timeout(silence, connect=min(silence, CONNECT_SECONDS)),
    }


def reply_of(incoming: httpx.Response) -> Reply:
    """A reply that was read whole."""
    return Reply(incoming.status_code, incoming.content, incoming.headers)


def noted(reply: Reply, url: str, addresses: Addresses) -> Reply:
    """The reply; when it is one of `BUSY`, the next request goes to another endpoint first."""
    if reply.status in BUSY:
        addresses.avoid(url)
    return reply
