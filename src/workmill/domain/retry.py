"""When a job is tried again, when it is buried, and when it must run alone.

`attempts` counts the leases since the job last made progress. A checkpoint further on
sets it back to one, and a hand-back does not count, so neither a long job on a fleet
whose workers come and go nor a drained one is ever buried; a job that kills its workers
never gets further, and is.

A crash takes every job in the worker's hands with it, the guilty one and its neighbours
alike. From the second lost lease on, a job is a suspect and is leased alone: a further
crash then counts against nobody else.
"""

from __future__ import annotations

from typing import Final

from workmill.domain.lifecycle import Verb

MAX_ATTEMPTS: Final = 5
"""Leases without progress after which a job is buried."""

SUSPECT_ATTEMPTS: Final = 2
"""Lost leases without progress after which a job is leased alone."""


def is_suspect(attempts: int) -> bool:
    """Whether the next lease of a job with this many past attempts holds only that job."""
    return attempts >= SUSPECT_ATTEMPTS


def after_lost_lease(attempts: int) -> Verb:
    """RETRY, or BURY when the attempts, the lost one included, are used up."""
    return Verb.BURY if attempts >= MAX_ATTEMPTS else Verb.RETRY


def buried_reason(attempts: int, last: str) -> str:
    """What a buried job's owner reads."""
    return f"given up after {attempts} attempts without progress; the last one: {last}"


def lost_lease(worker: str) -> str:
    """What became of the attempt of a worker that fell silent."""
    return f"the lease of worker {worker} ran out"
