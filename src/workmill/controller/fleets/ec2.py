"""A fleet of workers on EC2, one a machine: orders are taken at once and carried out beside.

Theory. The controller turns every second and waits for nobody, while EC2 takes seconds to answer
and minutes to bring a machine. So one thread carries orders out, first come, first served, and
between them looks again at what there is. What the controller is shown is the last look, with
what has been ordered since: a worker that was ordered is a member from that moment on, under a
name that it keeps, or every turn would order it again. A launched machine is shown even while
EC2's own lists, which lag behind, do not have it yet.

What EC2 refuses (a quota, a right, no room anywhere) is not asked of it again for a while, though
the controller orders it with every turn: whoever asks too often is throttled, and the whole account
with him.

Where this process has a name for a machine of its own it keeps it; a machine that another
controller launched is called by its id. Either way its host is its id (`deploy/aws/host`), so a
node's beats tell whose they are.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Final

from workmill.controller.fleet import Fence, Member
from workmill.controller.fleets.ec2_machines import EC2Settings, Machine, Machines
from workmill.domain.errors import Unavailable
from workmill.telemetry import emit

ROLE: Final = "worker"
LOOK_SECONDS: Final = 5.0
"""Between two looks at EC2, however often the controller turns."""
OLD_SECONDS: Final = 60.0
"""A look that is older shows nothing any more: no order is given by it."""
LAG_SECONDS: Final = 60.0
"""How long EC2's lists may lack a machine that it has launched."""
PAUSE_SECONDS: Final = 30.0
"""After a refusal, until the next order of that kind is carried out."""


class _Pause:
    """After a refusal: on while it lasts."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks, self._until = ticks, float("-inf")

    def begin(self) -> None:
        self._until = self._ticks() + PAUSE_SECONDS

    @property
    def on(self) -> bool:
        return self._ticks() < self._until


@dataclass(slots=True)
class _Ordered:
    """A worker that this process ordered, until a look shows its machine."""

    at_seconds: float
    """On the process's own clock: a step of the wall clock must not order everything anew."""
    machine_id: str = ""


class EC2Fleet:
    """See `controller.fleet.Fleet`. Raises Unavailable at its making when EC2 cannot be
    asked what there is: an empty list would order everything anew."""

    def __init__(
        self, settings: EC2Settings, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._machines = Machines(settings)
        self._ticks = ticks
        self._starts, self._stops = _Pause(ticks), _Pause(ticks)
        self._fence = Fence()
        self._lock = Lock()
        self._seen: dict[str, Machine] = {}
        self._ordered: dict[str, _Ordered] = {}
        self._names: dict[str, str] = {}
        self._stopping: set[str] = set()
        self._to_stop: set[str] = set()
        self._hands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ec2")
        self._looking: Future[None] | None = None
        self._looked_at_seconds = float("-inf")
        self._look()

    def list(self, token: int) -> Sequence[Member]:
        """See `Fleet`: the last look and what was ordered since. Raises Unavailable while that look
        is old, for EC2 does not answer."""
        self._fence.admits(token)
        now = self._ticks()
        if now - self._looked_at_seconds >= LOOK_SECONDS and self._idle():
            self._looking = self._hands.submit(self._look_again)
        if now - self._looked_at_seconds > OLD_SECONDS:
            raise Unavailable(
                f"EC2 has not shown this fleet for {now - self._looked_at_seconds:.0f} s."
            )
        with self._lock:
            coming = [
                Member(
                    name=name,
                    host=one.machine_id,
                    age_seconds=max(0.0, now - one.at_seconds),
                    stopping=name in self._stopping,
                )
                for name, one in self._ordered.items()
                if one.machine_id not in self._seen
            ]
            there = [self._member(machine, time.time()) for machine in self._seen.values()]
        return [*there, *coming]

    def start(self, count: int, token: int) -> None:
        """See `Fleet`."""
        if not self._admits(token) or self._starts.on:
            return
        now = self._ticks()
        names = [uuid.uuid4().hex for _ in range(count)]
        with self._lock:
            self._ordered |= {name: _Ordered(now) for name in names}
        self._hands.submit(self._start, names)

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        """See `Fleet`. Both ways end the machine: going down, its system has its services drain."""
        del drain
        if not self._admits(token) or self._stops.on:
            return
        with self._lock:
            if member.name in self._stopping:
                return
            self._stopping.add(member.name)
            self._to_stop.add(member.name)
        self._hands.submit(self._stop)

    def close(self) -> None:
        """End what is under way and forget the rest: another controller leads, and orders anew. The
        machines stay."""
        self._hands.shutdown(cancel_futures=True)

    def _admits(self, token: int) -> bool:
        admitted = self._fence.admits(token)
        if not admitted:
            emit("fleet.stale_order", level="warning", token=token)
        return admitted

    def _idle(self) -> bool:
        return self._looking is None or self._looking.done()

    def _member(self, machine: Machine, now_seconds: float) -> Member:
        name = self._names.get(machine.id, machine.id)
        return Member(
            name=name,
            host=machine.id,
            age_seconds=max(0.0, now_seconds - machine.launched_at_seconds),
            stopping=machine.stopping or name in self._stopping,
        )

    # --- carried out by the one thread

    def _start(self, names: Sequence[str]) -> None:
        started: Sequence[Machine] = ()
        try:
            started = self._machines.start(ROLE, len(names))
        except Unavailable as error:
            emit("fleet.refused", level="warning", wanted=len(names), why=error.detail)
        if len(started) < len(names):
            self._starts.begin()
        with self._lock:
            for name, machine in zip(names, started, strict=False):
                self._ordered[name].machine_id = machine.id
                self._names[machine.id] = name
            for name in names[len(started) :]:
                del self._ordered[name]
        self._look_again()

    def _stop(self) -> None:
        """All that were ordered to stop since the last time, in one request."""
        with self._lock:
            names, self._to_stop = self._to_stop, set()
            ids = {one for one, known in self._names.items() if known in names} | names
        if not names:
            return
        try:
            self._machines.stop(ids)
        except Unavailable as error:
            emit("fleet.refused", level="warning", stopping=len(names), why=error.detail)
            self._stops.begin()
            with self._lock:
                self._stopping -= names
        self._look_again()

    def _look_again(self) -> None:
        try:
            self._look()
        except Unavailable as error:
            emit("fleet.unseen", level="warning", why=error.detail)

    def _look(self) -> None:
        found = {one.id: one for one in self._machines.list() if one.role == ROLE}
        now = self._ticks()
        with self._lock:
            self._seen = found
            self._ordered = {
                name: one
                for name, one in self._ordered.items()
                if one.machine_id not in found
                and (not one.machine_id or now - one.at_seconds < LAG_SECONDS)
            }
            kept = found.keys() | {one.machine_id for one in self._ordered.values()}
            self._names = {one: name for one, name in self._names.items() if one in kept}
            names = {self._names.get(one, one) for one in kept} | self._ordered.keys()
            self._stopping &= names
        self._looked_at_seconds = now
