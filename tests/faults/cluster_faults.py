"""What can happen to a cluster, each with the signal that it is over it. All times are told."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.load.load import Load
from tests.load.over_http import Raw, Sdk
from tests.system.clusters import Cluster, said
from tests.system.processes import gone, until

from workmill.controller.balancer import Member, Place
from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.job import Node

CALLERS = 8
CLIENTS = 2
RECEIPT_SECONDS = 30.0
"""Longer than any outage here: what is delivered again although nothing lapsed counts as twice."""


def load_of(cluster: Cluster, seed: int = 1) -> Load:
    """Callers without an SDK and clients with it, all through the one door."""
    sdk = Sdk(cluster.url, iterations=(100, 20_000), receipt_seconds=RECEIPT_SECONDS)
    return Load([Raw(cluster.url)] * CALLERS + [sdk] * CLIENTS, puller=sdk, seed=seed)


class Scene:
    """A cluster in its balancer's eyes and in its own."""

    def __init__(self, cluster: Cluster, seed: int = 1) -> None:
        self.cluster = cluster
        self.dice = random.Random(seed)
        self._door = HAProxy(cluster.data / "balancer" / "admin.sock")

    def serving(self) -> dict[Place, int]:
        """The endpoints in rotation, with the process of each."""
        standing = {one.place: one.standing for one in self.members()}
        pids = {
            place: self._pid(place) for place, stands in standing.items() if stands == "serving"
        }
        return {place: pid for place, pid in pids.items() if pid is not None}

    def members(self) -> Sequence[Member]:
        return asyncio.run(self._door.members())

    def _pid(self, place: Place) -> int | None:
        words = f'"port":{place.port},'
        pids = [pid for pid in self.cluster.pids("endpoint") if words in said(pid)]
        return pids[0] if len(pids) == 1 else None

    def nodes(self, role: str) -> list[Node]:
        with self.cluster.client() as client:
            return [node for node in client.nodes() if node.role == role]

    def leader(self) -> Node | None:
        """The controller that says so, while it is alive."""
        leading = [one for one in self.nodes("controller") if one.leads and not gone(one.pid)]
        return max(leading, key=lambda one: one.leads, default=None)


def pids_of(nodes: Sequence[Node]) -> set[int]:
    return {one.pid for one in nodes}


@contextmanager
def told(what: str) -> Iterator[Callable[[str], None]]:
    """Prints how long after the beginning each word was said."""
    began = time.monotonic()
    said_so_far: list[str] = []
    try:
        yield lambda word: said_so_far.append(f"{word} after {time.monotonic() - began:.2f} s")
    finally:
        print(f"{what}: {', '.join(said_so_far)}")


def kill_an_endpoint(scene: Scene) -> None:
    """kill -9: another process has its place, and is in rotation."""
    before = until(lambda: len(now := scene.serving()) >= 2 and now)
    place, victim = scene.dice.choice(sorted(before.items()))
    with told(f"endpoint {place.port} killed") as say:
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in scene.cluster.pids("endpoint"))
        until(lambda: len(scene.cluster.pids("endpoint")) == len(before))
        say("started")
        until(
            lambda: (
                {*scene.cluster.pids("endpoint")} <= {one.pid for one in scene.nodes("endpoint")}
            )
        )
        say("beats")
        until(lambda: len(now := scene.serving()) == len(before) and victim not in now.values())
        say("in rotation")


def stop_an_endpoint(scene: Scene, seconds: float) -> None:
    """SIGSTOP for so long: it is out, and the same process comes back by itself."""
    before = until(lambda: len(now := scene.serving()) >= 2 and now)
    place, victim = scene.dice.choice(sorted(before.items()))
    with told(f"endpoint {place.port} stopped") as say:
        wake_at = time.monotonic() + seconds
        os.kill(victim, signal.SIGSTOP)
        try:
            until(lambda: place not in scene.serving())
            say("out of rotation")
            until(lambda: time.monotonic() > wake_at, seconds + 1)
        finally:
            os.kill(victim, signal.SIGCONT)
        say("woken")
        until(lambda: scene.serving().get(place) == victim)
        say("in rotation again")


def kill_half_of_the_workers(scene: Scene) -> None:
    """kill -9: as many others are there, and beat."""
    pids = scene.cluster.pids("worker")
    victims = set(scene.dice.sample(pids, len(pids) // 2))
    with told(f"{len(victims)} of {len(pids)} workers killed") as say:
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

        def there(now: Sequence[int]) -> bool:
            return len(now) >= len(pids) and not victims & set(now)

        until(lambda: there(scene.cluster.pids("worker")))
        say("replaced")
        until(lambda: len(pids_of(scene.nodes("worker")) - victims) >= len(pids))
        say("all beat")


def kill_the_leader(scene: Scene) -> None:
    """kill -9: another controller leads, with a higher token."""
    leader = until(scene.leader)
    with told("leader killed") as say:
        os.kill(leader.pid, signal.SIGKILL)
        until(lambda: (now := scene.leader()) and now.leads > leader.leads)
        say("another one leads")


def terms_of(scene: Scene, pid: int) -> list[int]:
    """The tokens that this controller says it leads with."""
    return [one.leads for one in scene.nodes("controller") if one.pid == pid]


def stop_the_leader(scene: Scene) -> None:
    """SIGSTOP past its lease: another one leads, and the woken one knows that it does not."""
    leader = until(scene.leader)
    with told("leader stopped") as say:
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            other = until(lambda: (now := scene.leader()) and now.leads > leader.leads and now)
            say("another one leads")
        finally:
            os.kill(leader.pid, signal.SIGCONT)
        until(
            lambda: [one.leads for one in scene.nodes("controller") if one.pid == leader.pid] == [0]
        )
        say("the first knows")
        assert until(scene.leader).incarnation == other.incarnation
