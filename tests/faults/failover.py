"""Faults of a watched Redis, as data: what is done to it, and how it is made whole again.

Each takes the cluster and something that waits until a few more changes have been acknowledged.
A fault leaves as many servers as it found, all of them following one primary.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Final

from tests.redis_servers import RedisServer, ReplicatedRedis
from tests.system.processes import until

from workmill.store.redis.connection import Refused, Silent

Progress = Callable[[int], None]
"""Returns when that many more changes have been acknowledged."""
AFTER: Final = 20
"""How many changes must be acknowledged while the fault lasts, or after it."""


def kill_the_primary(cluster: ReplicatedRedis, progress: Progress) -> None:
    """kill -9; a replica takes its place; the old one comes back as a replica."""
    old = cluster.primary()
    old.kill()
    progress(AFTER)
    old.start_following(cluster.primary().node)
    progress(AFTER)


def kill_the_primary_and_let_it_return_as_one(cluster: ReplicatedRedis, progress: Progress) -> None:
    """The same on a host that asks nobody: until a Sentinel turns it round it claims to lead."""
    old = cluster.primary()
    old.kill()
    progress(AFTER)
    old.start()
    progress(AFTER)


def pause_the_primary(cluster: ReplicatedRedis, progress: Progress) -> None:
    """SIGSTOP until a replica has been promoted, then SIGCONT in the same moment, while the other
    replica may still follow the old one: the case in which plain WAIT loses what it acknowledged.
    """
    old, replicas = cluster.primary(), cluster.replicas()
    old.pause()
    try:
        until(lambda: any(map(_leads, replicas)))
    finally:
        old.resume()
    progress(AFTER)
    _turn_round(cluster, old)
    progress(AFTER)


def pause_the_primary_briefly(cluster: ReplicatedRedis, progress: Progress) -> None:
    """Paused until the others begin to miss it, and resumed before it is replaced, or just so.

    A failover that the last such pause has begun may still be under way: then the others replace it
    now, and whom they name next they do not miss.
    """
    old = cluster.primary()
    old.pause()
    try:
        until(lambda: _replaced(cluster, old) or any(map(_misses, cluster.sentinels)))
    finally:
        old.resume()
    progress(AFTER)


def empty_a_replica(cluster: ReplicatedRedis, progress: Progress) -> None:
    """kill -9 of a replica, its data thrown away: a full synchronisation under load."""
    lost = cluster.replicas()[-1]
    lost.kill()
    shutil.rmtree(lost.directory / "appendonlydir")
    progress(AFTER)
    lost.start_following(cluster.primary().node)
    progress(AFTER)


def kill_a_sentinel(cluster: ReplicatedRedis, progress: Progress) -> None:
    """kill -9 of one Sentinel and then of the primary: the other two replace it."""
    sentinel, old = cluster.sentinels[0], cluster.primary()
    sentinel.kill()
    old.kill()
    progress(AFTER)
    old.start_following(cluster.primary().node)
    sentinel.start()
    progress(AFTER)


def fail_over_on_demand(cluster: ReplicatedRedis, progress: Progress) -> None:
    """SENTINEL FAILOVER of a primary that is well, as for maintenance."""
    old = cluster.primary()
    until(lambda: _begins(cluster.sentinels[0]))
    until(lambda: _replaced(cluster, old))
    progress(AFTER)
    _turn_round(cluster, old)


FAULTS: Final = {
    fault.__name__: fault
    for fault in (
        kill_the_primary,
        kill_the_primary_and_let_it_return_as_one,
        pause_the_primary,
        pause_the_primary_briefly,
        empty_a_replica,
        kill_a_sentinel,
        fail_over_on_demand,
    )
}


def _begins(sentinel: RedisServer) -> bool:
    """Whether it takes the order; it does not while another failover is not quite over."""
    try:
        sentinel.ask("SENTINEL", "FAILOVER", "mill")
    except Refused:
        return False
    return True


def _replaced(cluster: ReplicatedRedis, old: RedisServer) -> bool:
    """Whether most Sentinels name another primary than this one."""
    return cluster.told() not in (None, old.node)


def _turn_round(cluster: ReplicatedRedis, old: RedisServer) -> None:
    """What whoever hears of a failover does to the old primary; Sentinels take ten seconds."""
    primary = cluster.primary()
    if primary is not old:
        old.follow(primary.node)


def _leads(server: RedisServer) -> bool:
    try:
        return server.role().is_primary
    except (Silent, Refused):
        return False


def _misses(sentinel: RedisServer) -> bool:
    reply = sentinel.ask("SENTINEL", "MASTER", "mill")
    return b"down" in dict(zip(reply[::2], reply[1::2], strict=True))[b"flags"]
