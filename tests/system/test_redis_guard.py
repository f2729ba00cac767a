"""The guard at the start of a Redis host, against the ways in which a set loses everything."""

from __future__ import annotations

import subprocess

import pytest
from tests.hosts.hosts import Hosts
from tests.system.processes import until

from workmill.redis_hosts.start import admit

KEY = "{w}kept"


@pytest.fixture
def written(hosts: Hosts) -> Hosts:
    """A set on which something was acknowledged by everybody."""
    with hosts.connected(hosts.primary(), "endpoint") as server:
        until(lambda: server.set(KEY, "acknowledged") and server.wait(2, 2000) == 2)
    return hosts


def kept(hosts: Hosts) -> bytes | None:
    with hosts.connected(hosts.primary(), "endpoint") as server:
        value: bytes | None = server.get(KEY)
    return value


def size(hosts: Hosts, host: str) -> int:
    with hosts.connected(host, "deploy") as server:
        keys: int = server.dbsize()
    return keys


def test_a_primary_with_an_empty_disk_follows_its_successor(written: Hosts) -> None:
    """A primary that is back at once, with nothing, waits; it wipes nobody and copies it all."""
    before = written.primary()
    written.kill(before)
    written.machines[before].lose_disk()
    written.start(before)
    until(lambda: "would wipe its replicas" in written.machines[before].log("server"))
    assert written.wait_for_failover(before) != before
    written.wait_in_step()
    assert kept(written) == b"acknowledged"
    assert size(written, before) == size(written, written.primary())


def test_without_the_guard_the_replicas_are_wiped(written: Hosts) -> None:
    """The same start past the guard loses everything, and this test sees it."""
    before = written.primary()
    machine = written.machines[before]
    written.kill(before)
    machine.lose_disk()
    words = [machine.plan.places.redis_server, str(machine.folder / "redis.conf")]
    with (machine.folder / "server.log").open("ab") as log:
        machine.processes["server"] = subprocess.Popen(
            written.network.command(before, *words), stdout=log, stderr=log
        )
    written.wait_in_step()
    assert (written.primary(), kept(written)) == (before, None)


TWO_WRITES = """#!lua name=two
redis.register_function('two', function(keys)
  redis.call('SET', keys[1], 'first')
  redis.call('SET', keys[1] .. 'more', 'second')
end)
"""


def test_a_primary_reads_everything_back(written: Hosts) -> None:
    """A primary that is back before it is missed has what its functions wrote: Redis reads its
    log as the user `default`, and leaves out what that user may not do."""
    primary = written.primary()
    with written.connected(primary, "endpoint") as server:
        server.function_load(TWO_WRITES)
        server.fcall("two", 1, KEY)
    written.kill(primary)
    written.start(primary)
    written.wait_in_step()
    assert (written.primary(), kept(written)) == (primary, b"first")
    with written.connected(primary, "endpoint") as server:
        assert server.get(KEY + "more") == b"second"
        server.delete(KEY + "more")
    with written.connected(primary, "deploy") as server:
        server.function_delete("two")


def test_a_host_that_is_cut_off_does_not_start(written: Hosts) -> None:
    """Alone with its own Sentinel a host cannot know who the primary is: it waits to be told."""
    (replica, _) = written.replicas()
    machine = written.machines[replica]
    written.kill(replica)
    written.isolate(replica)
    seen = len(machine.log("server"))
    written.start(replica)
    until(lambda: "must name the same primary" in machine.log("server")[seen:])
    assert "Ready to accept" not in machine.log("server")[seen:]
    written.heal()
    written.wait_in_step()
    assert kept(written) == b"acknowledged"


def only_an_empty_replica(hosts: Hosts) -> tuple[str, str]:
    """The primary is silent, one replica is dead, and the other has copied nothing yet."""
    primary = hosts.primary()
    empty, other = hosts.replicas()
    for replica in (empty, other):
        hosts.kill(replica)
    hosts.machines[empty].lose_disk()
    hosts.pause(primary)
    hosts.start(empty, "server", "watch")
    until(lambda: hosts.asking(empty).replication())
    return primary, empty


def test_an_empty_replica_is_never_promoted(written: Hosts) -> None:
    """Sentinels look for a replica to promote, and find none, until the primary is back."""
    seen = {name: len(machine.log("sentinel")) for name, machine in written.machines.items()}
    primary, _ = only_an_empty_replica(written)

    def nobody_found() -> bool:
        return any(
            "-failover-abort-no-good-slave" in machine.log("sentinel")[seen[name] :]
            for name, machine in written.machines.items()
        )

    until(nobody_found)
    written.mend()
    assert (written.primary(), kept(written)) == (primary, b"acknowledged")


@pytest.mark.faults
def test_with_the_usual_priority_it_is_promoted(written: Hosts) -> None:
    """Redis' own default loses everything then, and this test sees it."""
    primary, empty = only_an_empty_replica(written)
    written.kill(empty, "watch")
    admit(written.machines[empty].settings)
    assert written.wait_for_failover(primary) == empty
    written.mend()
    assert kept(written) is None


def promote(hosts: Hosts, host: str) -> None:
    """As a Sentinel does it, in one transaction; no Sentinel knows of it."""
    with hosts.connected(host, "sentinel") as server, server.pipeline() as promotion:
        promotion.execute_command("SLAVEOF", "NO", "ONE")
        promotion.execute_command("CLIENT", "KILL", "TYPE", "normal")
        promotion.execute()


@pytest.mark.faults
def test_a_stray_primary_follows_in_the_end(written: Hosts) -> None:
    """An order that rests on what was seen before a promotion does not arrive. One that was
    promoted and that nobody names is ended; its start asks, and it follows."""
    stray, _ = written.replicas()
    server = written.asking(stray).server()
    assert server.look()
    promote(written, stray)
    assert not server.follow(written.plan.host(written.primary()).address)
    now = server.look()
    assert now is not None
    assert now.is_primary
    until(lambda: not written.machines[stray].alive("server"))
    written.start(stray)
    written.wait_in_step()
    assert kept(written) == b"acknowledged"
