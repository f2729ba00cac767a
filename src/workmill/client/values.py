"""What a user of the client gives and gets: plain values, the same for both clients."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from workmill.wire.messages import JobView, PulledResults


class Stream(Protocol):
    """A stream of bytes that is read once, like `sys.stdin.buffer`."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


Data: TypeAlias = bytes | bytearray | memoryview | Path | Stream
"""What can be submitted: bytes or whatever holds them, the path of a file, or a stream. A stream
is read once: a submit that fails after bytes were taken from it is not repeated."""


class Work(msgspec.Struct, frozen=True):
    """One item of `submit_many` that differs from its neighbours in more than its data.

    `id` is a UUID or its text; give one to make a repeat by another process harmless too.
    `priority` runs from -100 to 100, the highest first.
    """

    data: Data
    iterations: int
    id: str | uuid.UUID | None = None
    priority: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far a job is: `done` of `total` iterations. `eta_seconds` is None when not known."""

    status: str
    done: int
    total: int
    eta_seconds: float | None = None

    @property
    def fraction(self) -> float:
        """`done` out of `total`, from 0.0 to 1.0."""
        return self.done / self.total if self.total > 0 else 0.0

    @classmethod
    def of(cls, view: JobView) -> Progress:
        """The progress that an endpoint's view of a job tells of."""
        return cls(view.status, view.done, view.iterations, view.eta_seconds)


class Finished(msgspec.Struct, frozen=True):
    """A finished job's result: its raw `value`, 64 bytes for sha512."""

    id: str
    value: bytes


class PulledBatch(msgspec.Struct, frozen=True):
    """Results under one receipt (hex); an empty batch may have none."""

    results: list[Finished]
    receipt: str | None = None

    def __iter__(self) -> Iterator[Finished]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @classmethod
    def of(cls, pulled: PulledResults) -> PulledBatch:
        """The batch that an endpoint's reply holds."""
        results = [Finished(item.id, bytes.fromhex(item.value)) for item in pulled.results]
        return cls(results, pulled.receipt)
