"""The main loop's side of computing: keep the child busy, and find out who broke it.

Theory. Two slices are with the child at most: one that it computes and one that waits, so that
it never waits for us. No job is in both. The second is sent only when it is full, or of another
workload: a slice that is not full yet gets better by waiting for the first to come home, since
that brings back the jobs that it cut.

When the child dies, or a workload raises, every job of the slice it was computing is a suspect
(the one that waited is not: the child takes slices in order, and its last outcome was read
before its death). Suspects run alone, one after the other, before anything else. The one that
breaks its slice alone is failed, with the cause as the reason; all others are cleared by
getting on. A child that is silent far beyond what was predicted is killed, and treated alike.

SIGKILL, and memory or a thread that is refused, may come of the machine as well: where memory runs
out the kernel ends any process. So a suspect that was alone at such an end is in doubt first: the
next child is left with nothing to do for a while. If that one is ended too, it was not the job.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from workmill.domain.errors import WorkmillError
from workmill.domain.ids import id_text
from workmill.domain.job import Lease
from workmill.domain.patience import Patience
from workmill.telemetry import emit
from workmill.worker.child_handle import Death, Event, Inbox, Lanes
from workmill.worker.child_protocol import Hello, Outcome, Profile, Task
from workmill.worker.held_jobs import Held, Ledger
from workmill.worker.lease_check import objection
from workmill.worker.lease_sizing import Order, Ready, next_order
from workmill.worker.settings import WorkerSettings
from workmill.worker.slice_planning import Pace, Plan, plan_slice

MAX_SLICES: Final = 2
HANG_SECONDS: Final = 30.0
HANG_FACTOR: Final = 10.0
"""A slice may take this many times what was predicted, and HANG_SECONDS besides."""
START_SECONDS: Final = 60.0
"""How long a child may take until it says hello, on however busy a machine."""
MAX_FALSE_STARTS: Final = 3
"""Children in a row that die before they say hello, or with nothing to do while a job is in doubt,
after which the worker gives up."""
DOUBT_SECONDS: Final = 1.0
"""How long a child has to live without the job that is in doubt, for each attempt at it, and as
long as its slice at least: what buries a job has to be the strongest proof."""


@dataclass(slots=True)
class Slice:
    """What the child has been given, and how it was planned."""

    task: Task
    jobs: list[Held]
    plan: Plan
    predicted_seconds: float

    @property
    def alone(self) -> bool:
        """Whether it tries a suspect."""
        return self.jobs[0].suspect


class Doubt(NamedTuple):
    """The suspect that was alone when a child was ended, it may be by the machine."""

    job: Held
    reason: str
    seconds: float


class Computing:
    """Plans, sends and takes back slices. Driven by one thread, but for `order` and `speed`."""

    def __init__(self, settings: WorkerSettings, ledger: Ledger, inbox: Inbox) -> None:
        self.lanes = Lanes(inbox)
        self._aim_seconds = settings.slice_seconds
        self._ledger = ledger
        self._profiles: dict[str, Profile] = {}
        self._paces: dict[str, Pace] = {}
        self._speed = (0.0, 1)
        self._slices: deque[Slice] = deque()
        self._last_workload = ""
        self._seq = 0
        self._false_starts = 0
        self._doubt: Doubt | None = None
        self._acquitted = 0
        self._patience: Patience | None = None
        self._killed_for: str | None = None
        self._mad = False
        """This child's words count for nothing; its end is on its way."""
        self._met = False
        """Whether this child has said hello. Before that it is given nothing: one that this machine
        cannot start is no fault of a job."""

    # --- what other threads ask

    def speed(self) -> tuple[float, int]:
        """Iterations per second of all lanes together (0 until known), and how many they are."""
        return self._speed

    def order(self) -> tuple[Order, tuple[str, ...]] | None:
        """What to lease now and for which workloads; None while there is enough."""
        if not self._profiles:
            return None
        rate_hz, lanes = self._speed
        ready = [
            Ready(remaining / self._pace(workload).lane_hz, self._profiles[workload].lanes)
            for workload, remaining in self._ledger.load()
            if remaining and workload in self._profiles
        ]
        held_jobs = len(self._ledger) + len(self._ledger.outbox)
        order = next_order(ready, held_jobs, lanes, rate_hz)
        return (order, tuple(self._profiles)) if order else None

    def objection(self, lease: Lease) -> str | None:
        """Why this job cannot be computed here; None when it can."""
        return objection(lease, self._profiles.get(lease.workload))

    # --- the main loop

    @property
    def busy(self) -> bool:
        """Whether the child has anything to do."""
        return bool(self._slices)

    def patience_seconds(self) -> float | None:
        """How long to wait for the child until this is asked again; 0 when it has been silent for
        too long, None while nothing is asked of it."""
        return None if self._patience is None else self._patience.look()

    def start(self) -> None:
        """Start a child."""
        self._patience = Patience(START_SECONDS)
        self._met = False
        self.lanes.start()

    def feed(self) -> None:
        """Send slices while the child has room for them."""
        while self._met and not self._doubt and len(self._slices) < MAX_SLICES:
            jobs = self._candidates()
            if not jobs or not self._send(jobs):
                return

    def handle(self, event: Event) -> None:
        """Take what the child said. Raises WorkmillError when no child can be made to work."""
        match event:
            case Death():
                self._bury(event)
            case Hello() if not self._mad:
                self._meet(event)
            case Outcome() if not self._mad:
                self._hear(event)

    def _hear(self, outcome: Outcome) -> None:
        """An outcome belongs to the slice that was sent first and is not back. One that does not
        answer it comes from a child out of its mind: nothing that it says is taken any more."""
        asked = self._slices[0] if self._slices else None
        if asked is None or not outcome.answers(asked.task):
            self._killed_for = "it answered what it was not asked"
            self._mad = True
            self.lanes.kill()
            return
        self._take_back(self._slices.popleft(), outcome)
        self._expect(self._slices[0].predicted_seconds if self._slices else None)

    def overdue(self) -> None:
        """The child has been silent for too long: end it. Its death is handled like any other.
        Or it has lived long enough without the job in doubt, which is failed then."""
        if self._doubt and self._met:
            self._fail(self._doubt.job, self._doubt.reason)
            self._doubt, self._patience, self._acquitted = None, None, 0
            return
        self._killed_for = "no sign of life for far longer than predicted"
        self._patience = None
        self.lanes.kill()

    # --- planning

    def _candidates(self) -> list[Held]:
        """The jobs that the next slice may take, all of one workload, which take turns."""
        ready = self._ledger.ready()
        suspects = [job for job in ready if job.suspect]
        if suspects or (self._slices and self._slices[0].alone):
            return [] if self._slices else suspects[:1]
        names = dict.fromkeys(job.workload for job in ready)
        workload = next((name for name in names if name != self._last_workload), None)
        return [job for job in ready if job.workload == (workload or self._last_workload)]

    def _send(self, jobs: Sequence[Held]) -> bool:
        workload = jobs[0].workload
        profile, pace = self._profiles.get(workload), self._pace(workload)
        if profile is None:
            for job in jobs:
                self._ledger.fail(job, f"this worker has no workload {workload!r}")
            return True
        budget = pace.budget(self._aim_seconds)
        plan = plan_slice((job.remaining for job in jobs), profile.lanes, budget)
        if self._slices and not plan.full and workload == self._last_workload:
            return False
        chosen = list(jobs[: len(plan.counts)])
        self._seq += 1
        task = Task(self._seq, workload, [job.state for job in chosen], plan.counts)
        self._ledger.plan(chosen, plan.counts)
        self._slices.append(Slice(task, chosen, plan, plan.longest / pace.lane_hz))
        self._last_workload = workload
        self.lanes.send(task)
        if len(self._slices) == 1:
            self._expect(self._slices[0].predicted_seconds)
        return True

    def _pace(self, workload: str) -> Pace:
        return self._paces.get(workload, Pace())

    def _expect(self, predicted_seconds: float | None) -> None:
        self._patience = None
        if predicted_seconds is not None:
            self._patience = Patience(HANG_SECONDS + HANG_FACTOR * predicted_seconds)

    # --- what came back

    def _meet(self, hello: Hello) -> None:
        self._false_starts = 0
        self._met = True
        self._patience = Patience(self._doubt.seconds) if self._doubt else None
        for name, reason in hello.broken.items():
            emit("worker.workload_broken", level="error", workload=name, reason=reason)
        if not hello.workloads:
            raise WorkmillError("No workload can be loaded. Install one, or mend those named.")
        self._profiles = hello.workloads
        if not self._speed[0]:
            self._speed = (0.0, max(profile.lanes for profile in hello.workloads.values()))
        self._ledger.changed.set()

    def _take_back(self, done: Slice, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._blame(done, outcome.error)
            return
        workload = done.task.workload
        pace = self._pace(workload)
        pace = pace.measured(done.plan.longest, outcome.elapsed_seconds, self._aim_seconds)
        self._paces[workload] = pace
        self._speed = self._speed_after(done, outcome.elapsed_seconds, pace)
        self._ledger.advance(done.jobs, outcome.states)
        self._acquitted = 0

    def _speed_after(self, done: Slice, elapsed_seconds: float, pace: Pace) -> tuple[float, int]:
        """A full slice says how fast all lanes are together; any other one, how fast at least."""
        lanes = self._profiles[done.task.workload].lanes
        if done.plan.full:
            return pace.lane_hz * lanes, lanes
        seen = sum(done.plan.counts) / max(elapsed_seconds, 1e-6)
        return max(self._speed[0], seen), lanes

    def _bury(self, death: Death) -> None:
        """Find who may have done it, and start the next child."""
        reason = self._killed_for or f"the compute process died ({death.reason})"
        doubtful = death.may_be_the_machine and not self._killed_for
        self._killed_for, self._mad = None, False
        self._false_starts += 1
        at_work = len(self._slices[0].jobs) if self._slices else 0
        emit("worker.compute_died", level="error", reason=reason, jobs=at_work)
        if self._false_starts > MAX_FALSE_STARTS:
            raise WorkmillError(f"No compute process can be started: {reason}. Nothing was lost.")
        if self._doubt:
            self._acquit(self._doubt.job, reason)
        if self._slices:
            self._blame(self._slices.popleft(), reason, doubtful=doubtful)
        for waiting in self._slices:
            self._ledger.unplan(waiting.jobs, suspect=False)
        self._slices.clear()
        self.start()

    def _acquit(self, job: Held, reason: str) -> None:
        """A child without the job was ended as well."""
        self._doubt = None
        self._ledger.unplan([job], suspect=True)
        self._acquitted += 1
        if self._acquitted > MAX_FALSE_STARTS:
            raise WorkmillError(
                f"No compute process stays alive, even with nothing to do: {reason}. Nothing was "
                "lost, and no job is blamed. Memory that runs out is the usual cause."
            )

    def _blame(self, broken: Slice, reason: str, *, doubtful: bool = False) -> None:
        first = broken.jobs[0]
        if not broken.alone:
            self._ledger.unplan(broken.jobs, suspect=True)
        elif doubtful:
            seconds = max(DOUBT_SECONDS * first.attempts, broken.predicted_seconds)
            self._doubt = Doubt(first, reason, seconds)
        else:
            self._fail(first, reason)

    def _fail(self, job: Held, reason: str) -> None:
        emit("worker.job_failed", level="error", job=id_text(job.id), reason=reason)
        self._ledger.fail(job, reason)
