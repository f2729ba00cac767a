"""What a backup says of work that can be told from the work itself.

A job's content key is made of its tenant, its workload and its first state. So as long as a job
stands at its first iteration, a state that was put in another's place shows: computed on, it would
be a wrong result, and known work under a key that it does not belong to.

That one work has two values is not held against a backup: a processor at fault can bring that
about, and nobody may be kept from restoring all the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from workmill.domain.job import key_ending, key_with_ending
from workmill.workloads.registry import find_workload, workload_names


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
    return key_with_ending(state, kind.ending) == key
