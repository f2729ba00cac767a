"""Faults of hosts and of the network between them, under load: nothing acknowledged is lost.

Each fault is data: what is done to the set, and what is undone before the count. The load goes on
meanwhile; afterwards everything acknowledged must have been delivered, right and once.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.faults.redis_load import RedisLoad
from tests.hosts.faults import Unplug
from tests.hosts.hosts import Hosts
from tests.system.processes import until

BEFORE, AFTER = 100, 200
"""How many jobs are acknowledged before a fault, and after it."""
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
    break_one_way(hosts, hosts.replicas()[0], primary)


def lose_changes(hosts: Hosts, primary: str) -> None:
    """A replica does not hear its primary, which hears it."""
    break_one_way(hosts, primary, hosts.replicas()[0])


def break_one_way(hosts: Hosts, source: str, target: str) -> None:
    """Until the primary has given the replica up. Nothing can be confirmed meanwhile, for the
    replica lives, lacks changes, and Sentinels could promote it."""
    hosts.drop(source, target)
    with hosts.connected(hosts.primary(), "deploy") as server:
        until(lambda: len(server.role()[2]) == 1)
    hosts.heal()


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


def suffered(hosts: Hosts, *acts: Act) -> RedisLoad:
    """A load under which these things happened one after the other, judged and mended."""
    with RedisLoad(hosts) as load:
        for act in acts:
            load.wait_for(BEFORE)
            act(hosts, hosts.primary())
            load.wait_for(AFTER)
            hosts.mend()
    judgement = load.judge()
    print(f"{[act.__name__ for act in acts]}: {judgement}, ", end="")
    print(f"no submit was confirmed for {load.longest_silence_seconds:.1f} s at most")
    assert judgement == (len(load.ledger.acknowledged), 0, 0, 0)
    return load


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_fault_loses_nothing(hosts: Hosts, act: Act) -> None:
    """0 lost, 0 wrong, 0 twice, and submits are confirmed again soon."""
    load = suffered(hosts, act)
    assert load.longest_silence_seconds < FLOWING_SECONDS.get(act.__name__, CUT_OFF_SECONDS)


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
