"""The store and the lifecycle table, driven together through every status and every verb."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.contract.conftest import unplaced_in
from tests.contract.job_factory import fresh_id, new_job, state_of
from tests.contract.model import Fenced, Model
from tests.contract.store_drivers import OpenStore, Stand

from workmill.domain.cost import Fleet, Forecast
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    Failure,
    Job,
    LeaseRequest,
    PullRequest,
    Release,
    Renewal,
    Verdict,
)
from workmill.domain.lifecycle import FINISHED, RUNNING, Status, Verb
from workmill.domain.queue_profile import QueueProfile
from workmill.store.sqlite import SqliteStore

QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - mkdtemp chooses the name
"""In memory where there is such a folder: what is tried here is not durability."""
DATA = st.sampled_from("abcdef")
TOTALS = st.sampled_from([1, 4, 9, 9])
TENANTS = st.sampled_from(["default", "default", "other"])
PICKS = st.integers(0, 30)
WORDS = st.lists(st.tuples(PICKS, st.sampled_from([0, 0, 0, 1])), min_size=1, max_size=3)
"""Which jobs a worker speaks of, and how old its tokens are."""
SECONDS = st.sampled_from([1, 1, 6, 20])


class Machine(RuleBasedStateMachine):
    """Each rule is one verb, with items that the table takes and items that it refuses."""

    open_store: OpenStore
    met: set[tuple[Status, Verb]]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="workmill-model-", dir=QUICK))
        self.stand = Stand(self.open_store, self.directory)
        self.model = Model(met=self.met, now_ms=self.stand.clock.now_ms)
        self.data: dict[bytes, str] = {}
        self.receipts: list[bytes] = [b"?" * 16]

    def teardown(self) -> None:
        self.stand.store.close()
        shutil.rmtree(self.directory)

    def _pick(self, number: int) -> bytes:
        """The id of some job, a leased one by preference, and now and then of none."""
        held = [i for i, entry in self.model.jobs.items() if entry.status is Status.LEASED]
        ids = held if held and number % 2 else [*self.model.jobs, fresh_id()]
        return ids[number // 2 % len(ids)]

    @initialize()
    def begin(self) -> None:
        """Every walk starts where there is something to do: leases, attached jobs, a result."""
        self.submit([(data, 9, "default", 0, 30) for data in "aabbbccde"])
        self.submit([("f", 1, "default", 0, 30), ("f", 9, "other", 0, 30)])
        self.lease(least=3, most=4, cost=0, seconds=30)

    @rule(
        items=st.lists(
            st.tuples(DATA, TOTALS, TENANTS, st.integers(-1, 1), PICKS), min_size=1, max_size=4
        ),
    )
    def submit(self, items: list[tuple[str, int, str, int, int]]) -> None:
        jobs = []
        for data, total, tenant, priority, pick in items:
            job_id = self._pick(pick) if pick < 3 else fresh_id()
            self.data.setdefault(job_id, data)
            job = new_job(data, total=total, tenant=tenant, priority=priority, job_id=job_id)
            jobs.append(job)
        replies = self.stand.submit(*jobs)
        expected = [self.model.submit(job) for job in jobs]
        assert [(r.status, r.created, r.conflict) for r in replies] == expected
        for job, reply in zip(jobs, replies, strict=True):
            if reply.status in FINISHED and not reply.conflict:
                assert reply.state == self.model.jobs[job.id].state

    @rule(
        least=st.integers(1, 3),
        most=st.integers(3, 6),
        cost=st.sampled_from([0, 10]),
        seconds=st.sampled_from([5, 30]),
    )
    def lease(self, least: int, most: int, cost: int, seconds: int) -> None:
        request = LeaseRequest(
            worker="w",
            workloads=("sha512", "never seen"),
            min_jobs=least,
            max_jobs=most,
            max_cost=cost,
            lease_seconds=seconds,
        )
        with self.stand.store.group():
            leases = self.stand.store.lease(request)
        expected = self.model.expected_grant(request)
        assert [lease.id for lease in leases] == [entry.new.id for entry in expected]
        for entry, lease in zip(expected, leases, strict=True):
            assert lease.token > (entry.token or 0)
            assert (lease.done, lease.state) == (entry.done, entry.state)
            self.model.granted(entry, lease, request)

    @rule(picks=WORDS, ahead=st.integers(0, 4))
    def renew(self, picks: list[tuple[int, int]], ahead: int) -> None:
        self._say("renew", picks, ahead)

    @rule(picks=WORDS)
    def complete(self, picks: list[tuple[int, int]]) -> None:
        self._say("complete", picks)

    @rule(picks=WORDS, retryable=st.booleans())
    def fail(self, picks: list[tuple[int, int]], retryable: bool) -> None:
        self._say("fail", picks, retryable=retryable)

    @rule(picks=WORDS, ahead=st.integers(0, 4))
    def release(self, picks: list[tuple[int, int]], ahead: int) -> None:
        self._say("release", picks, ahead)

    def _say(
        self, verb: str, picks: list[tuple[int, int]], ahead: int = 0, retryable: bool = False
    ) -> None:
        words = [self._word(verb, self._pick(pick), old, ahead, retryable) for pick, old in picks]
        with self.stand.store.group():
            verdicts = getattr(self.stand.store, verb)(words)
        assert verdicts == [self.model.judge(word) for word in words]

    def _word(self, verb: str, job_id: bytes, old: int, ahead: int, retryable: bool) -> Fenced:
        entry = self.model.jobs.get(job_id)
        total, done = (entry.new.total, entry.done) if entry else (9, 1)
        done = min(done - 1 + ahead, total)
        about: dict[str, Any] = {"id": job_id, "token": (entry.token or 0) - old if entry else 1}
        state = state_of(self.data.get(job_id, ""), done)
        if verb == "complete":
            return Completion(state=state_of(self.data.get(job_id, ""), total), **about)
        if verb == "fail":
            return Failure(reason="it broke", retryable=retryable, **about)
        if verb == "release":
            return Release(done=done, state=state, **about)
        return Renewal(done=done, state=state, lease_seconds=10, **about)

    @rule(picks=st.lists(PICKS, min_size=1, max_size=2))
    def cancel(self, picks: list[int]) -> None:
        ids = [self._pick(pick * 2) for pick in picks]
        with self.stand.store.group():
            verdicts = self.stand.store.cancel(ids)
        assert verdicts == [self.model.cancel(job_id) for job_id in ids]

    @rule(
        top=st.integers(1, 3),
        tenant=TENANTS,
        seconds=st.sampled_from([None, 5, 30, 30]),
    )
    def pull(self, top: int, tenant: str, seconds: float | None) -> None:
        request = PullRequest(top=top, tenant=tenant, receipt_seconds=seconds)
        with self.stand.store.group():
            pulled = self.stand.store.pull(request)
        expected = self.model.expected_pull(request)
        found = [(result.id, result.state) for result in pulled.results]
        assert found == [(entry.new.id, entry.state) for entry in expected]
        if pulled.receipt:
            self.receipts.append(pulled.receipt)
        self.model.pulled(expected, request, pulled.receipt)

    @rule(pick=PICKS, tenant=TENANTS, some=st.booleans(), which=PICKS, returned=st.booleans())
    def acknowledge(self, pick: int, tenant: str, some: bool, which: int, returned: bool) -> None:
        one = Acknowledgement(
            receipt=self.receipts[-1 - pick // 8 % len(self.receipts)],
            tenant=tenant,
            ids=(self._pick(which),) if some else None,
            returned=returned,
        )
        with self.stand.store.group():
            (count,) = self.stand.store.acknowledge([one])
        assert count == self.model.acknowledge(one)

    @rule(seconds=SECONDS)
    def wait(self, seconds: int) -> None:
        self.stand.clock.advance(seconds)
        self.model.now_ms = self.stand.clock.now_ms

    @rule(hours=st.sampled_from([2, 24 * 8]), really=PICKS)
    def purge(self, hours: int, really: int) -> None:
        if really < 25:  # else hardly any job would live long enough to be of use
            hours = 0
        self.wait(hours * 3600)
        assert self.stand.purge() == self.model.purge()

    @rule()
    def reopen(self) -> None:
        with self.stand.store.group():  # as an endpoint does every second: hours without a write
            self.stand.store.probe()  # would look like a leap of the clock
        self.stand.reopen()
        self.model.reopened()

    @invariant()
    def nothing_is_amiss(self) -> None:
        """A Redis store that nobody has touched never says that it lacks places of jobs."""
        assert unplaced_in(self.stand.store) == 0

    @invariant()
    def same(self) -> None:
        entries = list(self.model.jobs.values())
        with self.stand.store.group():
            jobs = self.stand.store.get([entry.new.id for entry in entries])
            stats = self.stand.store.stats()
            outline = self.stand.store.queue_profile()
        for entry, job in zip(entries, jobs, strict=True):
            assert job is not None
            assert (job.status, job.done, job.state, job.attempts) == self.model.shown(entry)
            assert entry.token in (None, job.token)
            assert job.priority == entry.priority
            if job.status in FINISHED:
                assert job.state == state_of(self.data[job.id], job.total)
        assert stats.jobs == {status: self.model.counts()[status] for status in Status}
        running = [e for e in entries if e.status in (Status.QUEUED, Status.LEASED)]
        assert stats.backlog_iterations == sum(entry.left for entry in running)
        queued = [e.submitted_at_ms for e in entries if e.status is Status.QUEUED]
        assert stats.oldest_queued_at_ms == min(queued, default=None)
        self._same_outline(outline, [job for job in jobs if job is not None])

    def _same_outline(self, outline: QueueProfile, jobs: list[Job]) -> None:
        """What is ahead of each queued job is what the model would grant before it."""
        forecast = Forecast(outline, Fleet(1.0, 1))
        work = sum(job.total - job.done for job in jobs if job.status is Status.LEASED)
        assert outline.leased_work == work
        for job in sorted(
            (one for one in jobs if one.status is Status.QUEUED),
            key=lambda one: (-one.priority, one.waits_at),
        ):
            assert job.waits_at is not None
            assert forecast.ahead(job.waits_at).work == work
            work += job.total - job.done


def _drive(
    open_store: OpenStore,
    met: set[tuple[Status, Verb]],
    walk_seed: int | None = None,
    **how: Any,
) -> None:
    machine = type("Driven", (Machine,), {"open_store": staticmethod(open_store), "met": met})
    if walk_seed is not None:
        machine = seed(walk_seed)(machine)
    calm = settings(deadline=None, suppress_health_check=list(HealthCheck), **how)
    run_state_machine_as_test(machine, settings=calm)


EVERY_PAIR = {(status, verb) for status in Status for verb in Verb}
ROUNDS = 20


def test_every_status_meets_every_verb(open_store: OpenStore) -> None:
    """The store answers as the table says, for every status and verb, refusals included.

    Each round has a seed of its own: without one, Hypothesis repeats the same walk in CI.
    """
    met: set[tuple[Status, Verb]] = set()
    for number in range(ROUNDS):
        _drive(open_store, met, number, max_examples=40, stateful_step_count=50)
        if met == EVERY_PAIR:
            break
    assert sorted(map(str, EVERY_PAIR - met)) == []


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_long_walk_finds_no_difference(open_store: OpenStore) -> None:
    """The same on fresh random walks."""
    _drive(open_store, set(), max_examples=1000, stateful_step_count=100)


class Careless(SqliteStore):
    """A store that says it has cancelled, and has not."""

    def cancel(self, ids: Sequence[bytes]) -> list[Verdict]:
        held = [job.status if job else None for job in self.get(ids)]
        return [Verdict.APPLIED if status in RUNNING else Verdict.REFUSED for status in held]


def test_the_walk_notices_a_store_that_strays() -> None:
    """The harness itself: a store that breaks the table is found out."""
    with pytest.raises(AssertionError):
        _drive(
            lambda directory, clock, _=None: Careless(directory, clock=clock),
            set(),
            derandomize=True,
            max_examples=20,
            phases=[Phase.generate],
        )
