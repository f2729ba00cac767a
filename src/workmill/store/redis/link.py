"""The plain link: one server, nothing to confirm beyond its reply.

With `appendfsync always` Redis writes and syncs its log before it answers, so the reply itself
says that the change is on the disk of that server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis import library

CONNECT_SECONDS: Final = 5.0
REPLY_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 1.0
_NO_FUNCTION: Final = "Function not found"


class PlainLink:
    """`workmill.store.redis.port.Link` over one connection to one server."""

    def __init__(self, url: str, key: str) -> None:
        """Raises StoreUnavailable when nothing answers at `url`, as far as can be told now."""
        self._key = key
        self._where = urlsplit(url).hostname or urlsplit(url).path
        self._client = redis.Redis.from_url(
            url,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=REPLY_SECONDS,
        )
        self._guarded(lambda: library.load(self._client))

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        """See `Link.call`."""
        del writes  # nothing is sent again here, whatever it does
        return self._guarded(lambda: self._fcall(function, payload))

    def _fcall(self, function: str, payload: bytes) -> Any:
        send: Callable[..., Any] = self._client.execute_command
        try:
            return send("FCALL", function, 1, self._key, payload)
        except redis.ResponseError as error:
            if _NO_FUNCTION not in str(error):
                raise
            library.load(self._client)  # the server was emptied: nothing has run yet
            return send("FCALL", function, 1, self._key, payload)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except redis.RedisError as error:
            raise StoreUnavailable(
                f"Redis at {self._where} did not carry this out: {error}. "
                "What was acknowledged is kept. Try again.",
                retry_after_seconds=RETRY_SECONDS,
            ) from error

    def confirm(self) -> None:
        """See `Link.confirm`."""

    def close(self) -> None:
        """See `Link.close`."""
        self._client.close()
