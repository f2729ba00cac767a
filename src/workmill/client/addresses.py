"""Which endpoint to ask: stay with the one that answers, else go on to the next in turn.

A URL is judged when it is given, not by a library at the first request. What would be ignored is
refused: a password, a query, a fragment. What means the same is made the same, so that a list
holds each address once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from workmill.client.arguments import several, shown
from workmill.domain.errors import InvalidInput
from workmill.domain.limits import PORT

DEFAULT_URL: Final = f"http://127.0.0.1:{PORT}"

MAX_URL_CHARACTERS: Final = 2048
_STANDARD_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?\Z"
)
"""A host's name: labels of 1 to 63 characters (RFC 1035, section 2.3.4), `_` as many hosts have."""
_PATH: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/%-]*\Z")


class Addresses:
    """The base URLs of one service, in a ring. Safe for threads: each step is one assignment."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        """Raises InvalidInput for anything but one or more http(s) URLs."""
        given = [urls] if isinstance(urls, str) else several(urls, "url")
        self._urls = tuple(dict.fromkeys(map(_base, given)))
        if not self._urls:
            raise InvalidInput("No endpoint was named. Give at least one URL.")
        self._first = 0

    @property
    def encrypted(self) -> bool:
        """Whether any of them speaks TLS."""
        return any(url.startswith("https:") for url in self._urls)

    def in_turn(self) -> Iterator[str]:
        """Every URL once, from the one that is preferred now."""
        first = self._first
        yield from self._urls[first:] + self._urls[:first]

    def avoid(self, url: str) -> None:
        """Prefer the next URL from now on, unless another thread has moved on already."""
        if self._urls[self._first] == url:
            self._first = (self._urls.index(url) + 1) % len(self._urls)


def _base(url: object) -> str:
    """The URL as it is used: the host in lower case, no port that goes without saying, no slash at
    the end."""
    if not isinstance(url, str):
        raise InvalidInput(f"A URL is text, not {type(url).__name__}. Give 'http://HOST:PORT'.")
    if any(letter <= " " or letter == "\x7f" or letter.isspace() for letter in url):
        raise _no_url(url, "it holds a blank")
    if len(url) > MAX_URL_CHARACTERS:
        raise _no_url(url, f"it is longer than {MAX_URL_CHARACTERS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _no_url(url, str(error)) from None
    _refuse_what_is_ignored(url, parts)
    if port == 0:
        raise _no_url(url, "its port is not from 1 to 65535")
    host = _host(url, parts)
    standard = _STANDARD_PORTS[parts.scheme]
    place = host if port in {None, standard} else f"{host}:{port}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}"


def _refuse_what_is_ignored(url: str, parts: SplitResult) -> None:
    if "@" in parts.netloc:  # never shown: it may hold a password
        raise InvalidInput(
            "A URL of an endpoint has no user and no password in it. Give http://HOST:PORT, and "
            "the service's key as the key."
        )
    if parts.scheme not in _STANDARD_PORTS or not parts.hostname:
        raise _no_url(url, "it does not begin with http:// or https:// and a host")
    if "?" in url or "#" in url:
        raise _no_url(url, "it has a query or a fragment, which would be ignored")
    segments = parts.path.split("/")
    if not _PATH.match(parts.path) or "." in segments or ".." in segments:
        raise _no_url(url, "its path is not plain")


def _host(url: str, parts: SplitResult) -> str:
    name = parts.hostname or ""
    if "[" in parts.netloc:
        try:
            return f"[{ipaddress.IPv6Address(name).compressed}]"
        except ValueError:
            raise _no_url(url, "what stands in brackets is no IPv6 address") from None
    try:
        plain = name if name.isascii() else httpx.URL(f"http://{name}").raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError):
        plain = ""
    if not _NAME.match(plain):
        raise _no_url(url, "its host is no name and no address")
    return plain


def _no_url(url: str, why: str) -> InvalidInput:
    return InvalidInput(f"{shown(url)} is no URL of an endpoint: {why}. Give http://HOST:PORT.")
