"""Who may do what on a set of Redis hosts, tried on real servers over their own network.

Each user is refused what is not its business, and the set works with what they have.
"""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from tests.hosts.hosts import CLIENT_ADDRESS, Hosts
from tests.system.processes import until

from workmill.redis_hosts.rules import NEVER_PROMOTED

NO_NAME: dict[str, Any] = {"username": None, "password": None}
KEY, FOREIGN_KEY = "{w}a", "somebody-elses"

NOBODYS = """
FLUSHALL
FLUSHDB
KEYS *
EVAL 'return 1' 0
EVALSHA 0 0
SCRIPT FLUSH
DEBUG SLEEP 0
SHUTDOWN NOSAVE
ACL SETUSER default on nopass ~* +@all
ACL LIST
MODULE LIST
MONITOR
SAVE
BGSAVE
SWAPDB 0 1
SELECT 1
FUNCTION FLUSH
FUNCTION DUMP
MIGRATE 10.213.0.9 6379 k 0 1
RESTORE {w}a 0 x
SORT {w}a
FAILOVER
CLUSTER INFO
CLIENT PAUSE 1
"""
ADMINISTRATION = """
CONFIG GET *
CONFIG SET appendfsync no
REPLICAOF NO ONE
FUNCTION DELETE wm1
ACL LOAD
ACL LOG
CLIENT LIST
BGREWRITEAOF
DBSIZE
"""
ENDING = """
CLIENT KILL TYPE normal
CONFIG REWRITE
"""
REPLICATING = """
PSYNC ? -1
REPLCONF listening-port 1
"""
TURNING = """
SLAVEOF 10.213.0.9 6379
"""
WATCHING = """
SLAVEOF NO ONE
MULTI
SUBSCRIBE __sentinel__:hello
PUBLISH __sentinel__:hello x
"""
WORKING = """
SCAN 0
FCALL wm1 1 {w}a
FCALL_RO wm1 1 {w}a
GET {w}a
SET {w}a 1
FUNCTION LOAD x
WAIT 0 1
"""
SENTINELS = """
SENTINEL SET workmill quorum 1
SENTINEL REMOVE workmill
SENTINEL MONITOR other 10.213.0.9 6379 1
SENTINEL CONFIG SET resolve-hostnames yes
SENTINEL DEBUG
SENTINEL FLUSHCONFIG
SENTINEL SIMULATE-FAILURE crash-after-election
ACL LIST
ACL SETUSER default on nopass ~* +@all
SHUTDOWN
"""
PROMOTING = """
SENTINEL FAILOVER workmill
SENTINEL RESET *
ACL LOAD
"""
ANSWERING = """
SENTINEL IS-MASTER-DOWN-BY-ADDR 10.213.0.1 6379 0 *
PUBLISH __sentinel__:hello x
"""


def lines(*texts: str) -> list[str]:
    return [line for text in texts for line in text.split("\n") if line]


def refused(server: redis.Redis, command: str) -> bool:
    """Whether this user's permissions keep it from being run (DEBUG: nobody has it at all)."""
    execute: Any = server.execute_command
    try:
        execute(*command.replace("'", "").split(" "))
    except NoPermissionError:
        return True
    except ResponseError as error:
        return "NOPERM" in str(error) or "DEBUG command not allowed" in str(error)
    return False


@pytest.mark.parametrize(
    ("user", "commands"),
    [
        ("endpoint", lines(NOBODYS, ADMINISTRATION, ENDING, REPLICATING, TURNING, WATCHING)),
        ("replication", lines(NOBODYS, ADMINISTRATION, ENDING, TURNING, WATCHING, WORKING)),
        ("sentinel", lines(NOBODYS, ADMINISTRATION, REPLICATING, TURNING, WORKING)),
        ("deploy", lines(NOBODYS, REPLICATING, TURNING, WATCHING, WORKING)),
    ],
)
def test_a_user_is_refused_what_is_not_its_business(
    hosts: Hosts, user: str, commands: list[str]
) -> None:
    """On a data server: each user has its own few commands, and nobody the dangerous ones."""
    with hosts.connected(hosts.primary(), user) as server:
        assert [command for command in commands if not refused(server, command)] == []


@pytest.mark.parametrize(
    ("user", "commands"),
    [
        ("endpoint", lines(SENTINELS, PROMOTING, ANSWERING)),
        ("sentinel", lines(SENTINELS, PROMOTING)),
        ("deploy", lines(SENTINELS, ANSWERING)),
    ],
)
def test_a_user_is_refused_on_a_sentinel(hosts: Hosts, user: str, commands: list[str]) -> None:
    """On a Sentinel: endpoints may ask who the primary is, and only people may change that."""
    with hosts.sentinel("redis-1", user) as sentinel:
        assert [command for command in commands if not refused(sentinel, command)] == []


def test_an_endpoint_has_its_own_keys_only(hosts: Hosts) -> None:
    """A key without the tag can be neither read nor written."""
    with hosts.connected(hosts.primary(), "endpoint") as server:
        server.set(KEY, "own")
        assert server.get(KEY) == b"own"
        for command in (f"GET {FOREIGN_KEY}", f"SET {FOREIGN_KEY} 1", f"DEL {KEY} {FOREIGN_KEY}"):
            assert refused(server, command)


@pytest.mark.parametrize("call", ["'FLUSHALL'", "'KEYS', '*'", f"'GET', '{FOREIGN_KEY}'"])
def test_a_function_may_do_no_more_than_its_caller(hosts: Hosts, call: str) -> None:
    """An endpoint can load functions, and yet not reach through one what it may not do itself."""
    code = f"""#!lua name=reaching
        redis.register_function('reach', function() return redis.call({call}) end)"""
    primary = hosts.primary()
    with hosts.connected(primary, "endpoint") as server:
        server.function_load(code)
        try:
            with pytest.raises(ResponseError, match="The user executing the script"):
                server.fcall("reach", 1, KEY)
        finally:
            with hosts.connected(primary, "deploy") as deploy:
                deploy.function_delete("reaching")


def test_nobody_is_served_without_a_name(hosts: Hosts) -> None:
    """The default user is off: no password, an empty one or a guessed one, nothing is answered."""
    for port in (hosts.plan.redis_port, hosts.plan.sentinel_port):
        with (
            hosts.connected("redis-1", "deploy", port=port, **NO_NAME) as nobody,
            pytest.raises(AuthenticationError),
        ):
            nobody.ping()
        for user, password in (("default", " "), ("endpoint", "guessed")):
            with (
                hosts.connected("redis-1", user, port=port, password=password) as guesser,
                pytest.raises(AuthenticationError),
            ):
                guesser.ping()


def test_replicas_are_in_step_under_their_own_user(hosts: Hosts) -> None:
    """Replication works with its few commands: both replicas confirm what an endpoint writes."""
    primary = hosts.primary()
    with hosts.connected(primary, "endpoint") as server:
        server.set(KEY, "to all")
        assert server.wait(2, 2000) == 2
    with hosts.connected(primary, "deploy") as deploy:
        replicas = deploy.client_list("replica")
    assert [replica["user"] for replica in replicas] == ["replication", "replication"]


def test_sentinels_fail_over_under_their_own_user(hosts: Hosts) -> None:
    """A Sentinel watches and promotes with its few commands; it is refused nothing but to turn
    servers round, which the watches have done."""
    primary = hosts.primary()
    with hosts.connected(primary, "endpoint") as server:
        server.set(KEY, "before")
        server.wait(2, 2000)
    hosts.fail_over()
    successor = hosts.wait_for_failover(primary)
    hosts.wait_in_step()
    assert until(lambda: priority_of(hosts, successor) == NEVER_PROMOTED)
    with hosts.connected(successor, "endpoint") as server:
        assert server.get(KEY) == b"before"
        until(lambda: server.set(KEY, "after") and server.wait(2, 2000) == 2)
    refused = {f"{host}:{hosts.plan.redis_port} sentinel slaveof" for host in hosts.machines}
    assert set(refusals(hosts)) <= refused


def priority_of(hosts: Hosts, host: str) -> int | None:
    now = hosts.asking(host).replication()
    return now.priority if now else None


def refusals(hosts: Hosts) -> list[str]:
    """What hosts were refused by each other, data servers and Sentinels."""
    found = []
    for host in hosts.machines:
        for port in (hosts.plan.redis_port, hosts.plan.sentinel_port):
            with hosts.connected(host, "deploy", port=port) as server:
                found += [
                    f"{host}:{port} {entry['username']} {entry['object']}"
                    for entry in server.acl_log()
                    if CLIENT_ADDRESS not in str(entry["client-info"])
                ]
    return found
