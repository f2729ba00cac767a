"""The pages for people: the live ops page, the docs page, and the OpenAPI document."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from workmill.endpoint.http import Reply, Request
from workmill.endpoint.service import Service

HTML = "text/html; charset=utf-8"
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


async def home(_service: Service, _request: Request) -> Reply:
    """The live ops page."""
    return _page(static("home.html"))


async def docs(service: Service, _request: Request) -> Reply:
    """This interface, readable."""
    return _page(service.documents["docs"])


async def openapi(service: Service, _request: Request) -> Reply:
    """This interface as an OpenAPI 3.1 document."""
    return Reply.of(service.documents["openapi"], "application/json")


@cache
def static(name: str) -> bytes:
    """A file that ships with the pages."""
    return files("workmill.endpoint").joinpath("static", name).read_bytes()


def _page(body: bytes) -> Reply:
    reply = Reply.of(body, HTML)
    reply.headers.append((b"content-security-policy", _POLICY))
    reply.headers.append((b"x-content-type-options", b"nosniff"))
    return reply
