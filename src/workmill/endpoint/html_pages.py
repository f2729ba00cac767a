"""The pages for people: the live ops page, the docs page, and the OpenAPI document."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template

from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.wire import codecs

HTML = "text/html; charset=utf-8"
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


async def home(_service: Service, _request: Request) -> Reply:
    """The live ops page."""
    return _page(_home())


async def docs(service: Service, _request: Request) -> Reply:
    """This interface, readable."""
    return _page(service.documents["docs"])


async def openapi(service: Service, _request: Request) -> Reply:
    """This interface as an OpenAPI 3.1 document."""
    return Reply.of(service.documents["openapi"], codecs.JSON)


def rendered(name: str, **parts: str) -> bytes:
    """A page that ships with this package, with its `$parts` put in."""
    shared = {"style": _static("style.css"), "logo": _static("logo.svg")}
    return Template(_static(name)).substitute(shared, **parts).encode()


@cache
def _home() -> bytes:
    return rendered("home.html", script=_static("home.js"))


def _static(name: str) -> str:
    return files("workmill.endpoint").joinpath("static", name).read_text(encoding="utf-8")


def _page(body: bytes) -> Reply:
    reply = Reply.of(body, HTML)
    reply.headers.append((b"content-security-policy", _POLICY))
    reply.headers.append((b"x-content-type-options", b"nosniff"))
    return reply
