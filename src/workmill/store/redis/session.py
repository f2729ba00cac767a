"""What stands between a verb and its function: groups, and the name of the store that was opened.

Theory. Redis cannot undo a function, and does not have to: whatever a verb could refuse is checked
before anything is sent, or decided in the function before it writes. A group is therefore not a
transaction but a promise: when it has closed, every call in it is as durable as the link promises.
When it fails after something was written, the outcome is unknown, and repeating under the same ids
is harmless.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.store.redis import lua_library, record_codec
from workmill.store.redis.caller_identity import Caller
from workmill.store.redis.link_port import Link, Restored
from workmill.telemetry import emit

EPOCH_BYTES: Final = 8
RETRY_SECONDS: Final = 1.0


class Session:
    """One endpoint's way into one store: groups of calls, and whose store it is."""

    def __init__(
        self,
        connect: Callable[[], Link],
        *,
        clock: Clock | None = None,
        heals_ms: int = 0,
        may_found: bool = True,
    ) -> None:
        """Time is the server's, unless a test moves its own `clock`. A store that has gone back by
        at most `heals_ms` is gone on with: its loss is told, and somebody makes up for it. Raises
        StoreDamaged where there is no store and none `may_found` be."""
        self._connect = connect
        self._clock = clock
        self._pid = os.getpid()
        self._heals_ms = heals_ms
        self._is_told = True  # of damage that is met at the opening: by whoever opens it
        self._caller = Caller()
        self.when_restored: Callable[[], object] = lambda: None
        """Called when another backup is found than what was there, before anything is asked of it.
        What it raises ends the call that has met it, which has changed nothing."""
        self._grouped = self._wrote = self._asked = False
        self._now_ms = 0
        self._link = connect()
        try:
            self._open(may_found=may_found)
        except BaseException:
            self._link.close()
            raise

    def _open(self, *, may_found: bool) -> None:
        epoch, name = (record_codec.packed(os.urandom(EPOCH_BYTES)) for _ in range(2))
        with self.group():
            told = self._write("open", self._caller.owner, epoch, name, may_found)
        identity, founded, restores = told
        self._caller.opened(identity, restores)
        if founded:
            emit("store.founded", store=identity.hex(), detail="there was no store at its address")

    def close(self) -> None:
        """See `Store.close`."""
        try:
            with self.group():
                self._write("close", self._caller.owner)
        except StoreUnavailable:
            pass  # a store that is away forgets its owners when it has been silent
        finally:
            self._link.close()

    @property
    def history(self) -> str | None:
        """See `Link.history`."""
        return self._link.history

    @contextmanager
    def group(self) -> Iterator[None]:
        """See `Store.group`."""
        self._refuse_if_unusable()
        self._grouped, self._wrote, self._asked = True, False, False
        self._caller.begin_group()
        self._now_ms = self._clock() if self._clock else 0
        try:
            yield
            self._link.confirm()
            self._caller.end_group()
        except StoreUnavailable:
            raise
        except Exception as error:
            if not self._wrote:
                raise
            raise StoreUnavailable(
                f"A group failed half-way: {error!r}. What it did is not known; nothing that was "
                "acknowledged is lost. Repeat it with the same ids.",
                retry_after_seconds=RETRY_SECONDS,
            ) from error
        finally:
            self._grouped = False

    def _refuse_if_unusable(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailable("A store cannot be carried over a fork: open it in the child.")
        if self._grouped:
            raise RuntimeError("groups do not nest")

    def _read(self, verb: str, *given: Any) -> Any:
        return self._call(verb, given, writes=False)

    def _write(self, verb: str, *given: Any) -> Any:
        self._wrote = True
        return self._call(verb, given, writes=True)

    def _call(self, verb: str, given: tuple[Any, ...], *, writes: bool) -> Any:
        if not self._grouped:
            raise RuntimeError("every verb runs inside a group()")
        try:
            answer = self._ask(verb, given, writes=writes)
        except StoreDamaged as damaged:
            if self._asked:  # what this group has done before is gone, and may not be confirmed
                if self._may_heal(damaged):
                    damaged.retry_after_seconds = RETRY_SECONDS
                raise
            if not self._heals(damaged):
                raise
            answer = self._ask(verb, given, writes=writes)
        self._asked, self._is_told = True, False
        return answer

    def _ask(self, verb: str, given: tuple[Any, ...], *, writes: bool) -> Any:
        try:
            answer = self._called(verb, given, writes=writes)
        except Restored as restored:
            if self._caller.restored(restored.restores):
                self.when_restored()
            answer = self._called(verb, given, writes=writes)
        if writes:
            self._caller.wrote()
        return answer

    def _called(self, verb: str, given: tuple[Any, ...], *, writes: bool) -> Any:
        return called(self._link, verb, (self._caller.head(self._now_ms), *given), writes=writes)

    def _heals(self, damaged: StoreDamaged) -> bool:
        """Whether what is lost is made up for by somebody else, who remembers it."""
        if self._may_heal(damaged):
            behind_seconds = (damaged.behind_ms or 0) / 1000
            emit("store.rolled_back", level="error", behind_seconds=behind_seconds)
            self._caller.accept()
            return True
        if not self._is_told:
            emit("store.damaged", level="error", detail=damaged.detail)
        self._is_told = True
        return False

    def _may_heal(self, damaged: StoreDamaged) -> bool:
        """Whether the next group goes on with what is there."""
        return damaged.behind_ms is not None and damaged.behind_ms <= self._heals_ms


def called(link: Link, verb: str, given: tuple[Any, ...], *, writes: bool) -> Any:
    """One function of the library, by its short name."""
    return link.call(lua_library.function(verb), msgspec.msgpack.encode(given), writes=writes)
