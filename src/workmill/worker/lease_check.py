"""Whether a lease can be what it says it is. Pure.

What an endpoint grants is not taken on trust: a lease that is already beyond its end would be
handed in as a result, and one with a state of another size would break the slice of its
neighbours. Such a job alone is given up, with the reason; those that came with it are computed.
"""

from __future__ import annotations

from workmill.domain.ids import ID_BYTES
from workmill.domain.job import Lease
from workmill.domain.limits import MAX_COUNT
from workmill.worker.child_protocol import Profile


def addressable(lease: Lease) -> bool:
    """Whether a word about it can be taken by any endpoint."""
    return len(lease.id) == ID_BYTES and 0 <= lease.token <= MAX_COUNT


def objection(lease: Lease, profile: Profile | None) -> str | None:
    """Why this job cannot be computed as it was granted; None when it can. `profile` is that of
    its workload here, None when there is no such workload."""
    if profile is None:
        return f"this worker has no workload {lease.workload[:64]!r}"
    if len(lease.state) != profile.state_bytes:
        return (
            f"it was granted with a state of {len(lease.state)} bytes, and {lease.workload} has "
            f"states of {profile.state_bytes}"
        )
    if not 1 <= lease.done <= lease.total <= MAX_COUNT:
        return f"it was granted with {lease.done} of {lease.total} iterations done"
    return None
