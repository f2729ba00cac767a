"""What a forked child must not share with its parent is made anew, before the child does a thing.

Theory. After `fork` both processes hold the same connections, and the replies of each go to
whichever reads first. So a child begins with new connections, locks and counts. It runs alone in
that moment, in one thread, and takes no lock that another thread of the parent may have held.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    """Something that is made anew in a forked child."""

    def after_fork(self) -> None:
        """Forget what belongs to the parent, without a word to anybody."""
        ...


_living: WeakSet[Forked] = WeakSet()
_generation = 0


def generation() -> int:
    """How many forks lie between this process and the first: another number, another process."""
    return _generation


def watch(thing: Forked) -> None:
    """Call `thing.after_fork()` in every child that this process forks, as long as it lives."""
    _living.add(thing)


def _in_child() -> None:
    global _generation  # noqa: PLW0603  one number for one process
    _generation += 1
    for thing in list(_living):
        thing.after_fork()


os.register_at_fork(after_in_child=_in_child)
