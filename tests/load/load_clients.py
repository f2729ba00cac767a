"""What the threads of a load have in common, whichever way they go into a service."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tests.system.service_definition import value_of

from workmill.domain.ids import id_text, new_id

PAUSE_SECONDS = 0.02
"""What a client does before it says the same again."""


class Failed(Exception):
    """A request was not confirmed, for this reason; whether it was carried out is not known."""


@dataclass(frozen=True, slots=True)
class Work:
    """One job on bytes of its own, so that no two jobs are the same work: the bytes of an id,
    which it bears wherever the caller may choose one."""

    id: bytes
    iterations: int

    @property
    def name(self) -> str:
        return id_text(self.id)

    def value(self) -> str:
        """By hashlib."""
        return value_of(self.id, self.iterations)


Range = tuple[int, int]
"""The least and the most."""


def new_works(chance: random.Random, iterations: Range, jobs: int = 1) -> list[Work]:
    return [Work(new_id(), chance.randint(*iterations)) for _ in range(jobs)]


Submit = Callable[[Sequence[Work]], Sequence[str]]
"""Their ids, once they are acknowledged. Raises Failed."""
Take = Callable[[Iterable[tuple[str, str]]], None]
"""Takes ids and hex values."""


class Way(Protocol):
    """How one thread submits. Each thread opens what it needs for itself, and closes it."""

    @property
    def kind(self) -> str:
        """Under this name its requests are counted."""

    @property
    def repeats(self) -> bool:
        """Whether the load says the same again until it is confirmed."""

    @property
    def between_seconds(self) -> float:
        """How long it rests after each request."""

    def works(self, chance: random.Random) -> list[Work]:
        """What the next request submits."""

    def submitting(self, over: threading.Event) -> AbstractContextManager[Submit]:
        """The way is open in this context; `over` ends every wait in it."""


class Puller(Protocol):
    """How one thread pulls."""

    def pulling(self, over: threading.Event) -> AbstractContextManager[Callable[[Take], None]]:
        """Gives one round: pull, hand over what came, acknowledge it."""


class Worker(Protocol):
    """How one thread computes, where no worker is about."""

    def working(self, over: threading.Event) -> AbstractContextManager[Callable[[], None]]:
        """Gives one round: lease, compute by hashlib, complete."""
