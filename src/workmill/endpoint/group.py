"""One group of calls against the store: same verbs merged, all durable together.

All calls of a group were under way at the same time, so any order between them is a right
one. `VERBS` fixes it: what workers bring back goes first (a renewal saves its lease from
the `lease` behind it), reads come last (they see, durably, what the group did).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from workmill.domain.errors import StoreFull
from workmill.store.port import Store

VERBS: Final = (
    *("renew", "complete", "fail", "release", "cancel", "acknowledge", "beat", "lead"),
    *("submit", "lease", "pull", "get", "find", "stats", "nodes", "purge"),
)
_MERGED: Final = frozenset(
    {"renew", "complete", "fail", "release", "cancel", "acknowledge", "submit", "get"}
)
_WITHOUT_ARGUMENT: Final = frozenset({"stats", "nodes"})
_RESTORE: Final = "restore"


class Call:
    """One verb under way: its argument, how many jobs it moves, and who waits for it."""

    __slots__ = ("answer", "argument", "error", "jobs", "verb", "waiter")

    def __init__(self, verb: str, argument: Any, jobs: int, waiter: asyncio.Future[Any]) -> None:
        self.verb = verb
        self.argument = argument
        self.jobs = jobs
        self.waiter = waiter
        self.answer: Any = None
        self.error: StoreFull | None = None

    @property
    def alone(self) -> bool:
        """Whether this verb is a group of its own."""
        return self.verb == _RESTORE


def run_group(store: Store, calls: Sequence[Call]) -> None:
    """Set every call's answer, or raise with none of the calls done or with their outcome
    unknown (StoreUnavailable).

    A full store refuses what is new, and that alone: such calls get an `error` each, and the
    others of their group, which make room, go on.
    """
    if not calls:
        return
    if calls[0].alone:
        store.restore(calls[0].argument)
        return
    by_verb: dict[str, list[Call]] = {}
    for call in calls:
        by_verb.setdefault(call.verb, []).append(call)
    with store.group():
        for verb in VERBS:
            if verb in by_verb:
                try:
                    _run_verb(store, verb, by_verb[verb])
                except StoreFull as full:
                    for call in by_verb[verb]:
                        call.error = full


def _run_verb(store: Store, verb: str, calls: list[Call]) -> None:
    perform = getattr(store, verb)
    if verb in _MERGED:
        items = list(chain.from_iterable(call.argument for call in calls))
        answers = perform(items)
        start = 0
        for call in calls:
            end = start + len(call.argument)
            call.answer = answers[start:end]
            start = end
    else:
        for call in calls:
            call.answer = perform() if verb in _WITHOUT_ARGUMENT else perform(call.argument)
