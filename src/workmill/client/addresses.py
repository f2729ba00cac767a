"""Which endpoint to ask: stay with the one that answers, else go on to the next in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from workmill.domain.errors import InvalidInput
from workmill.domain.limits import PORT

DEFAULT_URL: Final = f"http://127.0.0.1:{PORT}"


class Addresses:
    """The base URLs of one service, in a ring. Safe for threads: each step is one assignment."""

    def __init__(self, urls: str | Sequence[str]) -> None:
        """Raises InvalidInput for anything but one or more http(s) URLs."""
        self._urls = tuple(map(_base, [urls] if isinstance(urls, str) else urls))
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


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(f"{url[:200]!r} is no URL of an endpoint. Give http://HOST:PORT.")
    return url.rstrip("/")
