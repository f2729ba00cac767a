"""Where parts that are restored side by side wait for each other before any changes over.

Theory. Each part fills its keys beside the living ones, which may take minutes and may fail: a
server is full, or goes away. As long as that can still happen nobody has changed anything. So each
says that it is ready and waits; when all are, they change over at once, and when one has failed,
none does. What is left is the moment of the change itself.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Final

from workmill.domain.errors import StoreUnavailable

STAY_SECONDS: Final = 5.0
"""How often who waits says to its server that it is still there."""


class Abandoned(StoreUnavailable):
    """Another part could not be made ready, so this one was left as it was."""


class Muster:
    """So many parts, each in a thread of its own."""

    def __init__(self, parts: int) -> None:
        self._missing = parts
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
