"""Faults of hosts and of the network between them, under load: nothing acknowledged is lost.

Each fault is data: what is done to the set, and what is undone before the count. The load goes on
meanwhile; afterwards everything acknowledged must have been delivered, right and once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import pytest
from tests.hosts.faults import Unplug
from tests.hosts.hosts import Hosts
from tests.load.ledger import Outcome
from tests.load.load import Load
from tests.load.on_stores import Stores
from tests.redis_servers import store_at
from tests.system.processes import until

from workmill.redis_hosts.prepare import store_address
from workmill.store.redis.addresses import parse_address

BEFORE, AFTER = 100, 200
"""How many jobs are acknowledged before a fault, and after it."""
TOTAL, GROUP_JOBS, BETWEEN_SECONDS = (3, 3), (5, 5), 0.02
"""Of what is submitted: iterations, jobs in a group, and how long a submitter rests after it."""
FLOWING_SECONDS = {"kill": 15.0}
"""How long no submit may be confirmed, at most."""
CUT_OFF_SECONDS = 30.0
"""The same where a server lives on and cannot be heard: Sentinels must see it down once as the
primary and once more as the replica that it should be, 6 s each, before it may be left out."""


def kill(hosts: Hosts, primary: str) -> None:
    hosts.kill(primary)
    hosts.wait_for_failover(primary)


def restart(hosts: Hosts, primary: str) -> None:
    """Back before it is missed: it is still the primary, of a new history."""
    hosts.kill(primary)
    hosts.start(primary)


def restart_all(hosts: Hosts, primary: str) -> None:
    """The power of all three fails, and comes back."""
    del primary
    for name in hosts.machines:
        hosts.kill(name)
        hosts.kill(name, "watch")
        hosts.kill(name, "sentinel")
    for name in hosts.machines:
        hosts.start(name)


def pause(hosts: Hosts, primary: str) -> None:
    hosts.pause(primary)
    hosts.wait_for_failover(primary)
    hosts.resume(primary)


def isolate(hosts: Hosts, primary: str) -> None:
    hosts.isolate(primary)
    hosts.wait_for_failover(primary)


def unplug(hosts: Hosts, primary: str) -> None:
    hosts.apply(Unplug(primary))
    hosts.wait_for_failover(primary)


def kill_replica(hosts: Hosts, primary: str) -> None:
    hosts.kill(next(name for name in hosts.machines if name != primary))


def replica_loses_its_disk(hosts: Hosts, primary: str) -> None:
    replica = next(name for name in hosts.machines if name != primary)
    hosts.kill(replica)
    hosts.machines[replica].lose_disk()
    hosts.start(replica, "server")


def lose_confirmations(hosts: Hosts, primary: str) -> None:
    """A replica hears its primary, and the primary does not hear it."""
    replica = hosts.replicas()[0]
    hosts.drop(replica, primary)
    restart_when_ended(hosts, replica)


def lose_changes(hosts: Hosts, primary: str) -> None:
    """A replica does not hear its primary, which hears it."""
    replica = hosts.replicas()[0]
    hosts.drop(primary, replica)
    restart_when_ended(hosts, replica)


def restart_when_ended(hosts: Hosts, replica: str) -> None:
    """As systemd does it. The network stays broken: changes are confirmed without the replica."""
    until(lambda: not hosts.machines[replica].alive("server"))
    hosts.start(replica, "server")


def slow_replica(hosts: Hosts, primary: str) -> None:
    """What the replica says goes through a thin pipe."""
    hosts.slow(next(name for name in hosts.machines if name != primary))


def kill_sentinel(hosts: Hosts, primary: str) -> None:
    hosts.kill(primary, "sentinel")


Act = Callable[[Hosts, str], None]
ACTS: list[Act] = [
    kill,
    restart,
    restart_all,
    pause,
    isolate,
    unplug,
    kill_replica,
    replica_loses_its_disk,
    kill_sentinel,
    lose_confirmations,
    lose_changes,
    slow_replica,
]
REPEATED: list[Act] = [
    kill_sentinel,
    replica_loses_its_disk,
    isolate,
    unplug,
    lose_confirmations,
    lose_changes,
]
ROUNDS = 20


def suffered(hosts: Hosts, *acts: Act) -> Outcome:
    """A load under which these things happened one after the other, judged and mended."""
    address = parse_address(store_address(hosts.plan, str(hosts.folder / "endpoint")))
    way = Stores(partial(store_at, address), TOTAL, GROUP_JOBS, BETWEEN_SECONDS)
    silences = []
    with Load([way] * 2, puller=way, workers=[way] * 2) as load:
        for act in acts:
            began = time.monotonic()
            load.wait_for(BEFORE)
            act(hosts, hosts.primary())
            load.wait_for(AFTER)
            hosts.mend()
            silences.append(load.longest_pause_seconds(began))
    outcome = load.outcome()
    print(f"{[act.__name__ for act in acts]}: {outcome}, ", end="")
    print(f"in a round for {median(silences):.1f} s in the median")
    assert outcome.kept, outcome
    return outcome


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_fault_loses_nothing(hosts: Hosts, act: Act) -> None:
    """0 lost, 0 wrong, 0 twice, and submits are confirmed again soon."""
    outcome = suffered(hosts, act)
    assert outcome.longest_pause_seconds < FLOWING_SECONDS.get(act.__name__, CUT_OFF_SECONDS)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("act", REPEATED, ids=lambda act: act.__name__)
def test_twenty_rounds_lose_nothing(hosts: Hosts, act: Act) -> None:
    """The same again and again, to whoever is the primary then."""
    suffered(hosts, *[act] * ROUNDS)


def test_a_killed_primary_loses_nothing(hosts: Hosts) -> None:
    """The short run of the above: the primary is killed under load."""
    suffered(hosts, kill)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_flapping_set_loses_nothing(hosts: Hosts, seed: int) -> None:
    """One thing after the other, ten times, as chance has it."""
    chance = random.Random(seed)
    suffered(hosts, *(chance.choice(ACTS) for _ in range(10)))
