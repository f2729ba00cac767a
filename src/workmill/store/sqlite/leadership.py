"""The verb `lead`.

It stands in the books, not in memory: a leader that was replaced before the endpoint restarted
must still find its token too old afterwards. A new token is above the last one and not below the
time, so that a store restored from an old backup does not give one twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from workmill.domain.job import Candidacy, Leadership
from workmill.store.sqlite.session import Session


def lead(session: Session, candidacies: Sequence[Candidacy]) -> list[Leadership]:
    """See `Store.lead`."""
    return [_lead_one(session, candidacy) for candidacy in candidacies]


def _lead_one(session: Session, candidacy: Candidacy) -> Leadership:
    books, now_ms = session.books, session.now_ms
    if books.lead_until_ms <= now_ms:
        books.lead_holder = candidacy.candidate
        books.lead_token = max(books.lead_token + 1, now_ms)
    if books.lead_holder == candidacy.candidate:
        books.lead_until_ms = session.in_seconds(candidacy.lease_seconds)
    left_seconds = (books.lead_until_ms - now_ms) / 1000
    return Leadership(token=books.lead_token, holder=books.lead_holder, left_seconds=left_seconds)
