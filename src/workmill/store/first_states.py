"""What a backup says of work that can be told from the work itself.

A job's content key is made of its tenant, its workload and its first state. So as long as a job
stands at its first iteration, a state that was put in another's place shows: computed on, it would
be a wrong result, and known work under a key that it does not belong to.
"""

from __future__ import annotations

from workmill.domain.job import content_key
from workmill.workloads.registry import find_workload, workload_names


def is_first_state(tenant: str, workload: str, state: bytes, key: bytes) -> bool:
    """Whether this state is the one that the key was made of."""
    return content_key(tenant, workload, state) == key


def has_size(workload: str, state_bytes: int) -> bool:
    """Whether a workload has states of this size; of one that is not installed nobody knows."""
    return workload not in workload_names() or find_workload(workload).state_bytes == state_bytes
