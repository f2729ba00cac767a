"""What a backup says of work that can be told from the work itself.

A job's content key is made of its tenant, its workload and its first state. So as long as a job
stands at its first iteration, a state that was put in another's place shows: computed on, it would
be a wrong result, and known work under a key that it does not belong to. And the same work, to the
same iteration, has one value, however often a backup says it.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from workmill.domain.job import KEY_BYTES, key_ending
from workmill.workloads.registry import find_workload, workload_names

_WORD_BYTES: Final = 12
"""So much of a key tells works apart; a total is less than that, and is mixed into it."""


class Kind(NamedTuple):
    """What all jobs of one tenant and workload have in common."""

    ending: bytes
    """Of what their keys are taken over."""
    state_bytes: int | None
    """None for a workload that is not installed: nobody knows."""


def kind_of(tenant: str, workload: str) -> Kind:
    """See `Kind`."""
    return Kind(key_ending(tenant, workload), size_of(workload))


def size_of(workload: str) -> int | None:
    """How many bytes a state of it has; None for one that is not installed."""
    return find_workload(workload).state_bytes if workload in workload_names() else None


def is_first_state(kind: Kind, state: bytes, key: bytes) -> bool:
    """Whether this state is the one that the key was made of."""
    return hashlib.blake2b(state + kind.ending, digest_size=KEY_BYTES).digest() == key


class Values:
    """The value of each work of one backup, in about 120 bytes for each of them."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {}

    def agree(self, key: bytes, total: int, state: bytes) -> bool:
        """Whether no other value of this work has been seen."""
        work = int.from_bytes(key[:_WORD_BYTES], "big") ^ total
        value = hash(state)
        return self._values.setdefault(work, value) == value
