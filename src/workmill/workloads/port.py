"""The seam between Workmill and what it computes.

A workload turns data into a first state (`fold`), and moves a state on by a number of
iterations (`advance`). States are byte strings of one fixed length, and a state says
everything about what follows it: that is why 64 bytes are a checkpoint. Nothing else in
the house knows what is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

Body: TypeAlias = bytes | memoryview
"""Data to fold. A view is a read-only one, and what lies under it stays as it is meanwhile."""


class Folding(Protocol):
    """A fold under way, for data that arrives in pieces."""

    def update(self, chunk: bytes, /) -> None:
        """Take the next piece of the data."""
        ...

    def digest(self) -> bytes:
        """The first state: `state_bytes` bytes, one iteration done."""
        ...


class Workload(Protocol):
    """One kind of work, found by its name in the `workmill.workloads` entry-point group."""

    @property
    def name(self) -> str: ...

    @property
    def state_bytes(self) -> int:
        """The length of every state."""
        ...

    @property
    def lanes(self) -> int:
        """How many chains one call of `advance` moves at once on this machine."""
        ...

    def folding(self) -> Folding:
        """Begin to fold data that arrives in pieces."""
        ...

    def fold(self, chunks: Iterable[bytes]) -> bytes:
        """The first state of the data that the chunks make up; it counts as one iteration."""
        ...

    def fold_all(self, bodies: Sequence[Body]) -> list[bytes]:
        """The first state of each body, in order; one call, so that a kernel may take many at
        once. Any bytes have one."""
        ...

    def advance(self, states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
        """Each state moved on by its own count of iterations (0 allowed), in order."""
        ...
