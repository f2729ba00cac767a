"""The life of a job as one table: (status, verb) -> status. What is not here is refused.

         submit                 lease              complete          pull
    ──▶ QUEUED ───────────────▶ LEASED ───────────▶ DONE ──────────▶ PULLED
          ▲  ▲                    │ │                ▲ ▲  lapse        │ acknowledge
          │  └─ retry, release ◀──┘ └─ bury ▶ FAILED │ └───────────────┤
          │ promote                            ▲     │ settle          ▼
        ATTACHED ──────────── bury ────────────┘     │             DELIVERED
          └──────────────────────────────────────────┘
    cancel leads from QUEUED, LEASED and ATTACHED to CANCELLED; the four ends are purged.

An ATTACHED job waits for another job with the same work (single-flight): it is settled
with that job's result, buried with it, or promoted into its place when it is cancelled.
DONE, PULLED and DELIVERED all show as "done": they differ in who has the result.
A deliver-once pull is `deliver`: straight from DONE to DELIVERED.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    ATTACHED = "attached"
    DONE = "done"
    PULLED = "pulled"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verb(StrEnum):
    LEASE = "lease"
    RENEW = "renew"
    RELEASE = "release"
    RETRY = "retry"
    BURY = "bury"
    COMPLETE = "complete"
    SETTLE = "settle"
    PROMOTE = "promote"
    CANCEL = "cancel"
    PULL = "pull"
    DELIVER = "deliver"
    LAPSE = "lapse"
    ACKNOWLEDGE = "acknowledge"


S, V = Status, Verb

TABLE: Final[dict[tuple[Status, Verb], Status]] = {
    (S.QUEUED, V.LEASE): S.LEASED,
    (S.LEASED, V.RENEW): S.LEASED,
    (S.LEASED, V.RELEASE): S.QUEUED,
    (S.LEASED, V.RETRY): S.QUEUED,
    (S.LEASED, V.BURY): S.FAILED,
    (S.LEASED, V.COMPLETE): S.DONE,
    (S.ATTACHED, V.SETTLE): S.DONE,
    (S.ATTACHED, V.BURY): S.FAILED,
    (S.ATTACHED, V.PROMOTE): S.QUEUED,
    (S.QUEUED, V.CANCEL): S.CANCELLED,
    (S.LEASED, V.CANCEL): S.CANCELLED,
    (S.ATTACHED, V.CANCEL): S.CANCELLED,
    (S.DONE, V.PULL): S.PULLED,
    (S.DONE, V.DELIVER): S.DELIVERED,
    (S.PULLED, V.LAPSE): S.DONE,
    (S.PULLED, V.ACKNOWLEDGE): S.DELIVERED,
}

RUNNING: Final = frozenset({S.QUEUED, S.LEASED, S.ATTACHED})
FINISHED: Final = frozenset({S.DONE, S.PULLED, S.DELIVERED})
ENDED: Final = FINISHED | {S.FAILED, S.CANCELLED}


def allowed(status: Status, verb: Verb) -> bool:
    """Whether a job in this status takes this verb."""
    return (status, verb) in TABLE


def after(status: Status, verb: Verb) -> Status:
    """The status that follows. Raises KeyError when the table refuses."""
    return TABLE[status, verb]
