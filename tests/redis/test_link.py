"""The link against real servers: what each fault costs, and that nothing acknowledged is lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.redis.sets import KEY, SetStore, any_follower, numbered, wait_one
from tests.redis_servers import NAME, RedisServer, ReplicatedRedis, running_redis
from tests.system.processes import until

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.store.redis.acknowledgement import Level, judge
from workmill.store.redis.addresses import Access, Address, Node, Tls
from workmill.store.redis.connection import Connection, Refused
from workmill.store.redis.primary_discovery import RETURN_SECONDS
from workmill.store.redis.primary_link import Pace

HASTY = Pace(patience_seconds=0.3, wait_seconds=0.1, confirm_seconds=0.3)
"""Only for what is refused however long it takes. What is to succeed has the usual patience."""
NEVER_SECONDS = 3600
Words = Sequence[bytes | str | int]
REPLICAS_OF = ("SENTINEL", "REPLICAS", NAME)
LOOKING_OFTEN = Pace(wait_seconds=0.1)
"""As patient as usual, but a replica that will not answer is not waited for a whole second."""


def test_one_server_keeps_what_it_acknowledged(plain: RedisServer) -> None:
    """kill -9, and start again on its log: everything is there, functions too."""
    store = SetStore(plain.address)
    store.add(*numbered(20))
    plain.kill()
    assert not store.try_to_add(b"away")
    plain.start()
    until(lambda: store.try_to_add(b"back"))
    assert store.lost(plain) == set()
    store.link.close()


def test_a_server_that_is_stopped_holds_nobody_up_twice(
    plain: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It still takes connections. The first call waits as long as it may be silent, those after it
    a second; one that is slow at its first meeting has all the time that it may be silent."""
    asked: list[float | None] = []
    usual = Connection.ask_all

    def noted(one: Connection, commands: Sequence[Words], seconds: float | None = None) -> object:
        asked.append(seconds)
        return usual(one, commands, seconds)

    store = SetStore(plain.address, pace=Pace(answer_seconds=0.2))
    store.add(b"1")
    plain.pause()
    assert not store.try_to_add(b"2")
    monkeypatch.setattr(Connection, "ask_all", noted)
    until(lambda: store.try_to_add(b"3") or asked)
    assert asked == [RETURN_SECONDS]
    plain.resume()
    until(lambda: store.try_to_add(b"4"))
    SetStore(plain.address).add(b"5")
    assert asked[-1] is None
    store.link.close()


def test_a_server_that_does_not_sync_is_refused(plain: RedisServer) -> None:
    """The default level is the disk: `everysec` may lose a second, and is told at once."""
    plain.ask("CONFIG", "SET", "appendfsync", "everysec")
    with pytest.raises(StoreUnavailable, match="appendfsync always"):
        SetStore(plain.address).add(b"1")
    SetStore(plain.address, level=Level.MEMORY).add(b"1")


def test_a_full_server_refuses_what_is_new(plain: RedisServer) -> None:
    """OOM comes back as StoreFull, before anything was changed."""
    store = SetStore(plain.address)
    store.add(b"1")
    plain.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreFull):
        store.add(b"2")
    plain.ask("CONFIG", "SET", "maxmemory", "0")
    store.add(b"3")
    assert set(plain.ask("SMEMBERS", KEY)) == {b"1", b"3"}


def test_a_replica_is_not_taken_for_a_primary(replicated: ReplicatedRedis) -> None:
    """Whoever gives a replica's address is told so, and whom it follows."""
    replica = replicated.servers[1]
    with pytest.raises(StoreUnavailable, match=f"replica of {replicated.servers[0].node}"):
        SetStore(replica.address, pace=HASTY).add(b"1")


def test_every_online_replica_has_what_is_acknowledged(replicated: ReplicatedRedis) -> None:
    """At the moment of the reply, not some time later."""
    store = SetStore(replicated.address, level=Level.REPLICATED)
    store.add(*numbered(20))
    assert [store.lost(server) for server in replicated.servers] == [set()] * 3
    store.link.close()


def test_without_any_replica_nothing_is_replicated(replicated: ReplicatedRedis) -> None:
    """One lost replica is passed over once it is gone; with none left nothing is acknowledged."""
    store = SetStore(replicated.address, level=Level.REPLICATED, pace=HASTY)
    until(lambda: store.try_to_add(b"1"))
    replicated.servers[1].kill()
    until(lambda: store.try_to_add(b"2"))
    replicated.servers[2].kill()
    until(lambda: not replicated.servers[0].role().replicas)
    with pytest.raises(StoreUnavailable, match="no replica has the change"):
        store.add(b"3")
    store.link.close()


def test_no_replicas_of_the_server_itself_is_waited_for(replicated: ReplicatedRedis) -> None:
    """`min-replicas-to-write` refuses before anything is written, which passes."""
    primary = replicated.servers[0]
    store = SetStore(replicated.address, level=Level.REPLICATED, pace=HASTY)
    until(lambda: store.try_to_add(b"1"))
    primary.ask("CONFIG", "SET", "min-replicas-to-write", "3")
    with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
        store.add(b"2")
    primary.ask("CONFIG", "SET", "min-replicas-to-write", "2")
    until(lambda: store.try_to_add(b"3"))
    assert set(primary.ask("SMEMBERS", KEY)) == {b"1", b"3"}
    store.link.close()


def test_a_killed_primary_loses_nothing(watched: ReplicatedRedis) -> None:
    """The Sentinels promote a replica, the link finds it, and goes on by itself."""
    store = SetStore(watched.address)
    for one in numbered(50):
        until(partial(store.try_to_add, one))
    first = store.link.history
    watched.primary().kill()
    until(lambda: store.try_to_add(b"after"))
    assert store.link.history != first
    assert store.lost(watched.primary()) == set()
    store.link.close()


@pytest.mark.parametrize("plain_wait", [False, True], ids=["the rule", "plain WAIT 1"])
def test_a_primary_that_was_paused_and_replaced(watched: ReplicatedRedis, plain_wait: bool) -> None:
    """It resumes while one replica still follows it. The rule acknowledges nothing; plain
    `WAIT 1` acknowledges, and all of it is lost: so this harness sees a loss."""
    old, (promoted, other) = watched.primary(), watched.replicas()
    verdict = wait_one if plain_wait else judge
    store = SetStore(watched.address, verdict=verdict, pace=LOOKING_OFTEN)
    until(lambda: store.try_to_add(b"before"))
    until(lambda: not store.lost(promoted))
    for sentinel in watched.sentinels:
        sentinel.pause()  # so that nobody turns the other replica round too early
    old.pause()
    promoted.ask("REPLICAOF", "NO", "ONE")
    old.resume()
    accepted = [store.try_to_add(one) for one in numbered(20, "late")]
    for server in (old, other):
        server.ask("REPLICAOF", *promoted.node)
    until(lambda: len(promoted.role().replicas) == 2)
    assert accepted == [plain_wait] * 20
    assert len(store.lost(promoted)) == (20 if plain_wait else 0)
    store.link.close()


@pytest.mark.parametrize("lenient", [False, True], ids=["the rule", "any follower"])
def test_a_follower_with_another_past_may_be_promoted(
    watched: ReplicatedRedis, lenient: bool
) -> None:
    """A replica that has just been turned round still shows the offset of its own history, and
    Sentinels promote the highest offset. To excuse it before it has given that up loses what the
    other replica confirmed, when the primary dies then."""
    old, (strange, other) = watched.primary(), watched.replicas()
    verdict, pace = (any_follower, LOOKING_OFTEN) if lenient else (judge, HASTY)
    store = SetStore(watched.address, verdict=verdict, pace=pace)
    until(lambda: store.try_to_add(b"before"))
    old.ask("CONFIG", "SET", "repl-diskless-sync-delay", NEVER_SECONDS)
    strange.ask("REPLICAOF", "NO", "ONE")
    strange.ask("SET", "{other}", b"past" * 100_000)
    strange.follow(old.node)
    until(lambda: strange.role().link == "handshake")
    accepted = [store.try_to_add(one) for one in numbered(3, "late")]
    assert accepted == [lenient] * 3
    if lenient:
        for one in watched.sentinels:
            one.ask("SENTINEL", "DEBUG", "info-period", 100)
        sentinels = watched.sentinels
        until(lambda: all(offset_seen(s, strange) > offset_seen(s, other) for s in sentinels))
        old.kill()
        assert watched.primary() is strange
        assert len(store.lost(strange)) == 3
    store.link.close()


def seen(sentinel: RedisServer, replica: RedisServer) -> dict[bytes, bytes]:
    """What a Sentinel says about a replica."""
    said = [dict(zip(w[::2], w[1::2], strict=True)) for w in sentinel.ask(*REPLICAS_OF)]
    return next(about for about in said if int(about[b"port"]) == replica.node.port)


def offset_seen(sentinel: RedisServer, replica: RedisServer) -> int:
    return int(seen(sentinel, replica)[b"slave-repl-offset"])


def test_two_sentinels_less_change_nothing_while_the_servers_live(watched: ReplicatedRedis) -> None:
    """When all replicas confirm, nobody needs a Sentinel's word."""
    store = SetStore(watched.address)
    for sentinel in watched.sentinels[:2]:
        sentinel.kill()
    until(lambda: store.try_to_add(b"1"))
    store.link.close()


def test_a_killed_replica_is_passed_over_and_taken_back(watched: ReplicatedRedis) -> None:
    """Down for the Sentinels: go on without it. Back again for them: wait for it again."""
    store = SetStore(watched.address)
    until(lambda: store.try_to_add(b"1"))
    lost = watched.replicas()[0]
    lost.kill()
    until(lambda: store.try_to_add(b"2"))
    lost.start()
    until(watched.whole)
    until(lambda: all(seen(one, lost)[b"flags"] == b"slave" for one in watched.sentinels))
    until(lambda: store.try_to_add(b"3"))
    assert store.lost(lost) == set()
    store.link.close()


def test_users_passwords_and_sockets(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A user with a password file, over TCP and over a socket; a wrong password is told as such."""
    directory = tmp_path_factory.mktemp("s")
    secret = directory / "secret"
    secret.write_text("open sesame\n")
    settings = {"unixsocket": str(directory / "redis.sock")}
    with running_redis(directory / "redis", settings) as server:
        server.ask("ACL", "SETUSER", "mill", "on", ">open sesame", "~*", "+@all")
        access = Access(user="mill", password_file=str(secret))
        for node in (server.node, Node(settings["unixsocket"], 0)):
            connection = Connection(node, access)
            assert connection.ask("ACL", "WHOAMI") == b"mill"
            connection.close()
        secret.write_text("wrong")
        with pytest.raises(Refused, match="WRONGPASS"):
            Connection(server.node, access)
        with pytest.raises(StoreUnavailable, match="WRONGPASS"):
            SetStore(Address(nodes=(server.node,), access=access), pace=HASTY).add(b"1")


def test_what_keeps_one_out_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Files that hold no password, a key that is missing, a server that wants one: no library's
    words alone, and never the secret."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    with running_redis(tmp_path / "redis") as server:
        server.ask("CONFIG", "SET", "requirepass", "open")

        def refusal(access: Access) -> str:
            address = Address(nodes=(server.node,), access=access)
            with pytest.raises(StoreUnavailable) as told:
                SetStore(address, pace=HASTY).add(b"1")
            return told.value.detail

        for name, words in (("binary", "no text"), ("empty", "is empty"), ("none", "No such file")):
            assert words in refusal(Access(password_file=str(tmp_path / name)))
        assert "no such file" in refusal(Access(password="open", tls=Tls(ca_file="/none")))  # noqa: S106
        assert "NOAUTH" in refusal(Access())
        assert "hush" not in refusal(Access(password="hush"))  # noqa: S106
