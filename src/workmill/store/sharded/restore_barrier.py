"""Where parts that are restored side by side wait for each other before any changes over.

Theory. Each part fills its keys beside the living ones, which may take minutes and may fail: a
server is full, or goes away. As long as that can still happen nobody has changed anything. So each
says that it is ready and waits; when all are, they change over at once, and when one has failed,
none does. What is left is the moment of the change itself. Who is
killed in it leaves a note in the parts that did not change over (`left_behind`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Condition
from typing import Final

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis.store import ChangedOver

STAY_SECONDS: Final = 5.0
"""How often who waits says to its server that it is still there."""
_NAME_BYTES: Final = 8


class Abandoned(StoreUnavailable):
    """Another part could not be made ready, so this one was left as it was."""


class Muster:
    """So many parts, each in a thread of its own."""

    def __init__(self, parts: int) -> None:
        self._missing = parts
        self.name = os.urandom(_NAME_BYTES).hex()
        """What this restore is called in all parts."""
        self._changed = Condition()
        self.failed = False
        """Whether a part has failed before all were ready: then none has changed over."""

    def ready(self, stay: Callable[[], object]) -> None:
        """Wait until all are ready; `stay` is called now and then meanwhile. Raises Abandoned when
        another one has failed, and what `stay` does."""
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()
        while not self._decided():
            stay()
        if self.failed:
            raise Abandoned("Another part failed. Nothing was changed.")

    def _decided(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.failed or not self._missing, STAY_SECONDS)

    def fail(self) -> None:
        """One of them cannot go on. When all were ready already, that is no news for the others."""
        with self._changed:
            self.failed = self.failed or self._missing > 0
            self._changed.notify_all()


def left_behind(parts: Mapping[str, ChangedOver]) -> tuple[str, ...]:
    """What a person must know when some parts hold a restore that others were about to take."""
    made = {one.made for one in parts.values()}
    left = [name for name, one in parts.items() if one.due and one.due in made]
    if not left:
        return ()
    said = (
        f"A restore was killed while the parts changed over: {', '.join(left)} was left as it was, "
        "and others hold the backup, so jobs may be there twice or not at all. Restore the same "
        "file again."
    )
    return (said,)
