"""A model of the service in virtual time: jobs, workers with lanes, starts, deaths and drains.

Theory. Nothing happens between two events, so time jumps from one to the next: a job comes, a lane
is done, a worker is ready or dies, a lease runs out, the rule is asked. A job waits in one queue,
eldest first, and takes one lane of whichever worker has been asking longest. A drained worker hands
its jobs back to the head of the queue with all that they have done. A dead one loses what it did
since the last checkpoint, and its jobs come back when their leases end, which counts as waiting.
Work done is a sum of rates over time, kept up at every event, so no event costs more for there
being many workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Final, NamedTuple

from workmill.controller.simulation.baselines import Rule
from workmill.controller.simulation.load_shapes import Arrival
from workmill.controller.worker_scaling import Seen
from workmill.domain.limits import CHECKPOINT_SECONDS, LEASE_SECONDS, NODE_SECONDS

LANES: Final = 8
"""Of one worker."""
LANE_HZ: Final = 5e6
"""Iterations per second of one lane, in the mean."""
MAX_RUNS: Final = 100
"""A run that takes so many times its time will never end."""
SPEED_SPREAD: Final = 0.1
"""Workers differ: their speeds are even over the mean plus and minus this share."""


class Machines(NamedTuple):
    """What workers are like here."""

    start_seconds: float
    life_seconds: float | None
    run_seconds: float


class Moment(NamedTuple):
    """One point of the plot."""

    at_seconds: float
    queued: int
    workers: int


class Outcome(NamedTuple):
    """What a run came to: each job's whole time in the queue, what was paid, how it went."""

    waits: list[float]
    worker_seconds: float
    most_workers: int
    ordered: int
    drained: int
    moments: list[Moment]


class _Worker:
    __slots__ = ("alive", "idle_since", "jobs", "lane_hz", "ordered_at", "rated", "ready")

    def __init__(self, ordered_at: float, lane_hz: float) -> None:
        self.ordered_at = ordered_at
        self.lane_hz = lane_hz
        self.jobs: dict[int, float] = {}
        """Those in its lanes, and when each was taken up."""
        self.alive, self.ready, self.rated = True, False, False
        self.idle_since = 0.0


class World:
    """One run of one rule."""

    def __init__(
        self, arrivals: Sequence[Arrival], rule: Rule, machines: Machines, first: int, seed: int
    ) -> None:
        """`first` workers are there and ready at the start."""
        self._arrivals, self._rule, self._machines = arrivals, rule, machines
        self._dice = Random(f"{seed} workers")  # noqa: S311 - it makes up a load, it hides nothing
        self._now = self._done = self._flow_hz = self._came = self._paid = 0.0
        self._events: list[tuple[float, int, Callable[..., None], object, int]] = []
        self._order = count()
        self._left = [arrival.lane_seconds * LANE_HZ for arrival in arrivals]
        self._queued_at = [arrival.at_seconds for arrival in arrivals]
        self._waited = [0.0] * len(arrivals)
        self._submitted = self._ended = self._leased = 0
        self._queue: deque[int] = deque()
        self._free: deque[_Worker] = deque()
        self._workers: list[_Worker] = []
        self._unseen_deaths = 0
        self._most = self._ordered = self._drained = 0
        self._moments: list[Moment] = []
        for _ in range(first):
            self._ready(self._order_worker(), 0)

    def run(self) -> Outcome:
        """Until every job is done and the run is over.

        Raises RuntimeError when the rule leaves jobs without workers for ever.
        """
        self._at(0.0, self._tick, None)
        jobs, run_seconds = len(self._arrivals), self._machines.run_seconds
        while self._ended < jobs or self._now < run_seconds:
            at = self._events[0][0]
            if at > MAX_RUNS * run_seconds:
                raise RuntimeError(f"{jobs - self._ended} jobs are not done, and nobody comes")
            if self._submitted < jobs and self._arrivals[self._submitted].at_seconds <= at:
                self._arrive(self._arrivals[self._submitted].at_seconds)
                continue
            _, _, act, who, number = heappop(self._events)
            self._pass_to(at)
            act(who, number)
        for worker in self._workers:
            self._paid += self._now - worker.ordered_at
        return Outcome(
            *(self._waited, self._paid, self._most, self._ordered, self._drained, self._moments)
        )

    def _at(self, at: float, act: Callable[..., None], who: object, number: int = 0) -> None:
        heappush(self._events, (at, next(self._order), act, who, number))

    def _pass_to(self, at: float) -> None:
        self._done += self._flow_hz * (at - self._now)
        self._now = at

    # --- jobs

    def _arrive(self, at: float) -> None:
        self._pass_to(at)
        job = self._submitted
        self._submitted += 1
        self._came += self._left[job]
        self._queue.append(job)
        self._give()

    def _give(self) -> None:
        """Whatever waits, to whoever has a lane."""
        while self._queue and self._free:
            worker = self._free.popleft()
            if worker.alive:
                self._take_up(worker, self._queue.popleft())

    def _take_up(self, worker: _Worker, job: int) -> None:
        self._waited[job] += self._now - self._queued_at[job]
        worker.jobs[job] = self._now
        worker.rated = True
        self._leased += 1
        self._flow_hz += worker.lane_hz
        self._at(self._now + self._left[job] / worker.lane_hz, self._finish, worker, job)

    def _finish(self, worker: _Worker, job: int) -> None:
        taken_at = worker.jobs.get(job) if worker.alive else None
        if taken_at is None or self._now < taken_at + self._left[job] / worker.lane_hz:
            return  # it was taken from this worker meanwhile
        del worker.jobs[job]
        self._leased -= 1
        self._ended += 1
        self._flow_hz -= worker.lane_hz
        if not worker.jobs:
            worker.idle_since = self._now
        self._free.append(worker)
        self._give()

    def _requeue(self, job: int) -> None:
        self._leased -= 1
        self._queue.appendleft(job)

    def _expire(self, _who: object, job: int) -> None:
        self._requeue(job)
        self._give()

    # --- workers

    def _order_worker(self) -> _Worker:
        spread = 1 + SPEED_SPREAD * (2 * self._dice.random() - 1)
        worker = _Worker(self._now, LANE_HZ * spread)
        self._workers.append(worker)
        self._most = max(self._most, len(self._workers))
        return worker

    def _ready(self, worker: _Worker, _number: int) -> None:
        if not worker.alive:
            return
        worker.ready = True
        worker.idle_since = self._now
        self._free.extend([worker] * LANES)
        if self._machines.life_seconds:
            life = self._dice.expovariate(1 / self._machines.life_seconds)
            self._at(self._now + life, self._die, worker)
        self._give()

    def _leave(self, worker: _Worker) -> None:
        worker.alive = False
        self._workers.remove(worker)
        self._paid += self._now - worker.ordered_at
        self._flow_hz -= worker.lane_hz * len(worker.jobs)

    def _drain(self, worker: _Worker) -> None:
        self._leave(worker)
        for job, taken_at in sorted(worker.jobs.items(), reverse=True):
            self._left[job] -= (self._now - taken_at) * worker.lane_hz
            self._queued_at[job] = self._now
            self._requeue(job)
        self._give()

    def _die(self, worker: _Worker, _number: int) -> None:
        if not worker.alive:
            return
        self._leave(worker)
        self._unseen_deaths += 1
        self._at(self._now + NODE_SECONDS, self._notice, None)
        for job, taken_at in worker.jobs.items():
            ran = self._now - taken_at
            lost = ran % CHECKPOINT_SECONDS
            self._done -= lost * worker.lane_hz
            self._left[job] -= (ran - lost) * worker.lane_hz
            self._queued_at[job] = self._now
            self._at(self._now + LEASE_SECONDS, self._expire, None, job)

    def _notice(self, _who: object, _number: int) -> None:
        self._unseen_deaths -= 1

    # --- the rule

    def _tick(self, _who: object, _number: int) -> None:
        ready = [worker for worker in self._workers if worker.ready]
        seen = self._see(ready)
        quiet = self._now - self._rule.idle_seconds
        idle = sum(not worker.jobs and worker.idle_since <= quiet for worker in ready)
        self._moments.append(Moment(self._now, len(self._queue), len(self._workers)))
        self._order_or_drain(self._rule.wanted(seen, idle) - seen.count)
        self._at(self._now + self._rule.tick_seconds, self._tick, None)

    def _see(self, ready: list[_Worker]) -> Seen:
        """What the store and the nodes say. A dead worker is still seen until its silence tells."""
        rated = [worker.lane_hz * LANES for worker in ready if worker.rated]
        starts = self._machines.start_seconds
        oldest = self._now - self._queued_at[self._queue[0]] if self._queue else 0.0
        starting = [self._now - worker.ordered_at for worker in self._workers if not worker.ready]
        return Seen(
            at_seconds=self._now,
            queued=len(self._queue),
            leased=self._leased,
            backlog_iterations=max(0.0, self._came - self._done),
            iterations_done_total=self._done,
            submitted_total=self._submitted,
            oldest_wait_seconds=oldest,
            ready=len(ready) + self._unseen_deaths,
            rated=len(rated),
            rate_hz=sum(rated),
            lanes=(len(ready) + self._unseen_deaths) * LANES,
            starting=len(starting),
            starting_age_seconds=sum(min(age, starts) for age in starting),
        )

    def _order_or_drain(self, more: int) -> None:
        for _ in range(more):
            self._ordered += 1
            worker = self._order_worker()
            self._at(self._now + self._machines.start_seconds, self._ready, worker)
        if more < 0:
            spare = sorted(self._workers, key=lambda one: (one.ready, len(one.jobs)))
            for worker in spare[:-more]:
                self._drained += 1
                self._drain(worker)
