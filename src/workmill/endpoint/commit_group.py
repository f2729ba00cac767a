"""One group of calls against the store: same verbs merged, all durable together.

All calls of a group were under way at the same time, so any order between them is a right
one. `VERBS` fixes it: what workers bring back goes first (a renewal saves its lease from
the `lease` behind it), reads come last (they see, durably, what the group did).

A store of several parts may lose one of them on the way. Then each call is told what that means to
it: words of a worker are answered `unavailable`, each for itself, for it has others to say; any
other call fails when all its items are lost, and where only some are, a submit is answered by the
error in its place, a look at a job by nothing. Leases and
results that are lost are not handed out; they come back by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import msgspec

from workmill.domain.errors import StoreFull, StorePartlyUnavailable, StoreUnavailable
from workmill.domain.job import Pulled, Verdict
from workmill.store.port import Store
from workmill.telemetry import emit_rarely

VERBS: Final = (
    *("renew", "complete", "fail", "release", "cancel", "acknowledge", "beat", "lead"),
    *("submit", "lease", "pull", "get", "find", "stats", "queue_profile", "nodes"),
    *("purge", "probe"),
)
_MERGED: Final = frozenset(
    {"renew", "complete", "fail", "release", "cancel", "acknowledge", "lead", "submit", "get"}
)
_WORDS: Final = frozenset({"renew", "complete", "fail", "release"})
_WITHOUT_ARGUMENT: Final = frozenset({"stats", "queue_profile", "nodes", "probe"})
RESTORE: Final = "restore"


CALLERS: Final = frozenset(VERBS) - {"beat", "stats", "queue_profile", "nodes", "purge", "probe"}
"""Verbs that somebody outside waits for; the others are the endpoint's own."""


class Call:
    """One verb under way: its argument, how many jobs it moves, and who waits for it."""

    __slots__ = ("alone", "answer", "argument", "error", "jobs", "verb", "waiter")

    def __init__(
        self,
        verb: str,
        argument: Any,
        jobs: int,
        waiter: asyncio.Future[Any],
        *,
        alone: bool = False,
    ) -> None:
        self.verb = verb
        self.argument = argument
        self.jobs = jobs
        self.waiter = waiter
        self.answer: Any = None
        self.error: StoreUnavailable | None = None
        """Why this call failed in a group that did not."""
        self.alone = alone or verb == RESTORE
        """Whether this call is a group of its own."""


def run_group(store: Store, calls: Sequence[Call]) -> None:
    """Set every call's answer, or raise with none of the calls done or with their outcome
    unknown (StoreUnavailable).

    A full store refuses what is new, and that alone: such calls get an `error` each, and the
    others of their group, which make room, go on.
    """
    if not calls:
        return
    if calls[0].verb == RESTORE:
        store.restore(calls[0].argument)
        return
    by_verb: dict[str, list[Call]] = {}
    for call in calls:
        by_verb.setdefault(call.verb, []).append(call)
    told: list[_Told] = []
    lost: StorePartlyUnavailable | None = None
    try:
        with store.group():
            for verb in VERBS:
                if verb in by_verb:
                    told += _take_in(store, verb, by_verb[verb])
    except StorePartlyUnavailable as partly:
        lost = partly
    except StoreUnavailable:
        for one in told:
            one.show_leases()
        raise
    for one in told:
        one.deal_out_or_say(lost)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a verb has answered to one call, or to several that were merged."""

    verb: str
    calls: Sequence[Call]
    answer: Any

    def show_leases(self) -> None:
        """What was granted in a group that failed: it may stand, and no worker will hear of it."""
        if self.verb == "lease":
            self.calls[0].answer = self.answer

    def deal_out_or_say(self, partly: StorePartlyUnavailable | None) -> None:
        """`deal_out`, and no error: the group stands, and whoever saw one would run it again."""
        try:
            self.deal_out(partly)
        except Exception as failure:  # noqa: BLE001 - any of them
            self.answer_unknown(failure)

    def answer_unknown(self, failure: Exception) -> None:
        """What was done is durable, and its answer cannot be given. Nobody runs it again: results
        would be taken twice."""
        emit_rarely("store.verb_failed", level="error", verb=self.verb, error=repr(failure)[:500])
        for call in self.calls:
            call.error = StoreUnavailable(
                "This was stored, and its answer was lost inside the service. Repeat it under the "
                "same id, which is harmless."
            )

    def deal_out(self, partly: StorePartlyUnavailable | None) -> None:
        """Give each call its own, now that the group has closed."""
        if self.verb not in _MERGED:
            self.calls[0].answer = _kept(self.answer, partly)
            return
        lost = partly.lost_of(self.answer) if partly else {}
        start = 0
        for call in self.calls:
            end = start + len(call.argument)
            call.answer = self.answer[start:end]
            if lost:
                _mark(call, {place - start: lost[place] for place in lost if start <= place < end})
            start = end


def _take_in(store: Store, verb: str, calls: list[Call]) -> list[_Told]:
    try:
        return _run_verb(store, verb, calls)
    except StoreFull as full:
        for call in calls:
            call.error = full
        return []


def _run_verb(store: Store, verb: str, calls: list[Call]) -> list[_Told]:
    perform = getattr(store, verb)
    if verb in _MERGED:
        items = list(chain.from_iterable(call.argument for call in calls))
        return [_Told(verb, calls, perform(items))]
    without = verb in _WITHOUT_ARGUMENT
    return [_Told(verb, [call], perform() if without else perform(call.argument)) for call in calls]


def _kept(answer: Any, partly: StorePartlyUnavailable | None) -> Any:
    """Leases or results without those that are lost; any other answer as it is."""
    if partly is None:
        return answer
    listed = answer.results if isinstance(answer, Pulled) else answer
    lost = partly.lost_of(listed)
    if not lost:
        return answer
    kept = [one for place, one in enumerate(listed) if place not in lost]
    return msgspec.structs.replace(answer, results=kept) if isinstance(answer, Pulled) else kept


def _mark(call: Call, lost: Mapping[int, StoreUnavailable]) -> None:
    """Say in the answer of one call which of its items are lost."""
    if lost and len(lost) == len(call.answer) and call.verb not in _WORDS:
        call.error = next(iter(lost.values()))
        return
    for place, error in lost.items():
        if call.verb == "submit":
            call.answer[place] = error
        elif call.verb == "get":
            call.answer[place] = None
        elif call.verb == "acknowledge":
            call.error = error
        else:
            call.answer[place] = Verdict.UNAVAILABLE
