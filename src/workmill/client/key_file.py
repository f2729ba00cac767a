"""A transport whose key may be changed in its file while it is in use.

A key is rotated without a restart: the file gets a new one, and the service wants it from some
moment on. So a refusal of the key is no verdict on the process: the file is read again, and when it
holds another key the request is sent once more with that. Which of the two changes first does not
matter to whoever goes on trying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import httpx

from workmill.client.httpx_adapter import headers_of
from workmill.client.sockets import Stop
from workmill.client.steps import Reply, Request
from workmill.client.sync_transport import Transport
from workmill.domain.errors import NotAuthorized, WorkmillError
from workmill.telemetry import emit

ReadKey: TypeAlias = Callable[[], str | None]
"""Reads the key where it is kept. Raises WorkmillError when there is none to be had."""

_REFUSED: Final = NotAuthorized.status


class KeyFileTransport(Transport):
    """See `Transport`. Raises what `read_key` raises, once, when it is made."""

    def __init__(
        self,
        urls: str | Sequence[str],
        read_key: ReadKey,
        *,
        through: httpx.BaseTransport | None = None,
    ) -> None:
        self._read_key = read_key
        self._key = read_key()
        super().__init__(urls, key=self._key, through=through)

    def send(self, request: Request, stop: Stop | None = None) -> Reply:
        """See `Transport`; a refused key is read again, and the request sent once more."""
        used = self._key
        reply = super().send(request, stop)
        if reply.status == _REFUSED and self._changed_from(used):
            return super().send(request, stop)
        return reply

    def _changed_from(self, used: str | None) -> bool:
        """Whether there is another key now. A file that is just being written is read next time."""
        try:
            key = self._read_key()
        except WorkmillError:
            return False
        if key == used:
            return False
        if key != self._key:  # or another thread has taken it up already
            self._key = key
            self._headers = headers_of(key)
            emit("key.changed")
        return True
