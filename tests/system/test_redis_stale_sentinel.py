"""A Sentinel that was cut off and comes back with an old view of the set.

Theory. Sentinel turns a server round that it takes for a stray primary, after it has reported
that role for eight seconds. But it looks every ten seconds, and keeps what it saw while it is cut
off: one that saw a server as the primary of long ago, and was cut off before it saw it follow,
comes back when that server is the primary again, finds its role unchanged "for eight seconds",
and turns it round at its first look, before it has heard of the failover. The new primary then
copies the old one, and its replica copies the copy: all that was acknowledged meanwhile is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from redis.exceptions import ResponseError
from tests.hosts.faults import Refuse, Unplug
from tests.hosts.hosts import Hosts
from tests.system.processes import until

KEY = "{w}kept"
AS_SHIPPED, OURS = "+slaveof", "+slaveof|no"


def write(hosts: Hosts, value: str, copies: int) -> None:
    """Acknowledged by the primary and that many replicas, as soon as there are so many."""

    def written() -> bool:
        with suppress(ResponseError):
            return bool(server.set(KEY, value)) and server.wait(copies, 2000) == copies
        return False

    with hosts.connected(hosts.primary(), "endpoint") as server:
        until(written)


def kept(hosts: Hosts) -> bytes | None:
    with hosts.connected(hosts.primary(), "endpoint") as server:
        value: bytes | None = server.get(KEY)
    return value


def seen(hosts: Hosts, sentinel: str, host: str, what: str) -> str | None:
    """What this host's Sentinel believes about that host's server, as a replica."""
    address = hosts.plan.host(host).address
    with hosts.sentinel(sentinel, "deploy") as asked:
        for flat in asked.execute_command("SENTINEL", "REPLICAS", hosts.plan.name):
            about = [word.decode() for word in flat]
            fields = dict(zip(about[::2], about[1::2], strict=True))
            if fields["ip"] == address:
                return str(fields[what])
    return None


def cut_off_with_an_old_view(hosts: Hosts) -> tuple[str, str, str]:
    """(cut off and once the primary, its successor, the third): the Sentinel of the first takes the
    second for a stray primary; the second leads, the third follows it, the first is unplugged."""
    successor = hosts.primary()
    hosts.pause(successor, "watch")
    hosts.fail_over()
    stale = hosts.wait_for_failover(successor)
    until(lambda: seen(hosts, stale, successor, "role-reported") == "master")
    hosts.apply(Refuse(stale, successor, hosts.plan.redis_port))
    hosts.resume(successor, "watch")
    hosts.wait_in_step()
    (third,) = hosts.machines.keys() - {stale, successor}
    hosts.pause(third, "watch")
    with hosts.connected(third, "deploy") as server:
        server.config_set("replica-priority", 0)
    until(
        lambda: all(
            seen(hosts, host, third, "slave-priority") == "0" for host in (successor, third)
        )
    )
    hosts.pause(stale, "watch")
    hosts.apply(Unplug(stale))
    assert hosts.wait_for_failover(stale) == successor
    hosts.resume(third, "watch")
    return stale, successor, third


@contextmanager
def rights_of_sentinels(hosts: Hosts, right: str) -> Iterator[None]:
    """All data servers give Sentinels this right instead of ours."""
    files = [machine.folder / "users.acl" for machine in hosts.machines.values()]
    ours = [file.read_text() for file in files]
    for file, text in zip(files, ours, strict=True):
        assert f" {OURS} " in text
        file.write_text(text.replace(f" {OURS} ", f" {right} "))
    load_rights(hosts)
    try:
        yield
    finally:
        for file, text in zip(files, ours, strict=True):
            file.write_text(text)
        hosts.mend()
        load_rights(hosts)


def load_rights(hosts: Hosts) -> None:
    for host in hosts.machines:
        with hosts.connected(host, "deploy") as server:
            server.acl_load()


def let_back(hosts: Hosts, stale: str, successor: str, third: str) -> None:
    """Its Sentinel reaches the successor, and hears nothing from the others yet."""
    for host in (successor, third):
        for port in (hosts.plan.redis_port, hosts.plan.sentinel_port):
            hosts.apply(Refuse(host, stale, port))
    hosts.network.clear(successor)
    hosts.apply(Refuse(stale, third, hosts.plan.redis_port))
    hosts.network.plug_in(stale)


def orders_refused(hosts: Hosts, host: str) -> int:
    """How often this server has refused to be turned round by a Sentinel."""
    with hosts.connected(host, "deploy") as server:
        return sum(
            int(entry["count"]) for entry in server.acl_log() if entry["object"] == "slaveof"
        )


def follows(hosts: Hosts, host: str, *, link_up: bool = False) -> bool:
    now = hosts.asking(host).replication()
    return now is not None and not now.is_primary and now.link_up >= link_up


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_an_old_view_turns_nobody_round(hosts: Hosts) -> None:
    """It tries and is refused: the new primary goes on, and what it acknowledged is kept."""
    stale, successor, third = cut_off_with_an_old_view(hosts)
    write(hosts, "acknowledged", 1)
    before = orders_refused(hosts, successor)
    let_back(hosts, stale, successor, third)
    until(lambda: orders_refused(hosts, successor) > before)
    hosts.mend()
    assert (hosts.primary(), kept(hosts)) == (successor, b"acknowledged")


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_with_the_usual_right_it_does(hosts: Hosts) -> None:
    """With what Sentinel is usually allowed all that was acknowledged meanwhile is lost, and this
    test sees it."""
    write(hosts, "before", 2)
    with rights_of_sentinels(hosts, AS_SHIPPED):
        stale, successor, third = cut_off_with_an_old_view(hosts)
        write(hosts, "acknowledged", 1)
        let_back(hosts, stale, successor, third)
        until(lambda: follows(hosts, successor))
        hosts.heal()
        until(lambda: follows(hosts, successor, link_up=True))
        hosts.mend()
        assert kept(hosts) == b"before"
