"""What an endpoint says of itself with every call, so that no other store passes for its own.

Theory. A store has a name, given at its founding and kept through every restore. Beside it stands
for each endpoint a number, which the endpoint raises a few times a second with what it writes. Both
go with every call, and the functions compare them before they read or write anything
(functions/session.lua). A store that was emptied has no name; another store has another one; an
older copy of the same store has a number below the one whose change was acknowledged, however much
others have written meanwhile, for nobody else writes this endpoint's number.

With them goes of how many restores the endpoint knows: after one by another endpoint it must forget
what it remembers of the time before, and a backup under way would be of two times.

The number is a time in milliseconds that never goes back, so the difference says by how much the
copy is older.
"""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec

from workmill.domain.clock import Clock, steady_clock
from workmill.store.redis import record_codec

IDENTITY_BYTES: Final = 8
NOTED_MS: Final = 250
"""How often the number rises at most: a copy that is older by less is not told from the store."""


class Caller:
    """One endpoint, as one store knows it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.owner = os.urandom(IDENTITY_BYTES).hex()
        self._identity = b""
        self._restores = 0
        self._clock = clock or steady_clock()
        self._noted = self._number = 0
        self._wrote = False
        self._packed: msgspec.Raw | None = None

    def opened(self, identity: bytes, restores: int) -> None:
        """The store that was opened is called so, and so often a backup was restored into it."""
        self._identity, self._restores, self._packed = identity, restores, None

    def restored(self, restores: int) -> bool:
        """It has been so often by now. Says whether that is news, or the store has gone back."""
        news = restores > self._restores
        self._restores, self._packed = restores, None
        return news

    def begin_group(self) -> None:
        """From here on the calls are of a new group."""
        self._wrote = False
        now_ms = self._clock()
        if now_ms - self._noted >= NOTED_MS:
            self._number, self._packed = now_ms, None

    def head(self, now_ms: int) -> Any:
        """The first argument of every function: time (0 for the server's), the store's name, this
        endpoint, its last number that was acknowledged, the one of this group, and of how many
        restores it knows."""
        if now_ms:
            return self._words(now_ms)
        if self._packed is None:
            self._packed = msgspec.Raw(msgspec.msgpack.encode(self._words(0)))
        return self._packed

    def _words(self, now_ms: int) -> tuple[Any, ...]:
        identity = record_codec.packed(self._identity)
        return (now_ms, identity, self.owner, self._noted, self._number, self._restores)

    def wrote(self) -> None:
        """A call that writes was answered: its number stands, if the group is confirmed."""
        self._wrote = True

    def end_group(self) -> None:
        """The group was confirmed."""
        if self._wrote and self._noted != self._number:
            self._noted, self._packed = self._number, None

    def accept(self) -> None:
        """Take the store as it stands, older or not: its loss is known and has been told."""
        self._noted, self._packed = 0, None
