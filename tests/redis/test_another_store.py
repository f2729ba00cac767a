"""Another store under one that is open, or an older copy of it, is never taken for the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.contract.job_factory import new_job
from tests.redis_servers import RedisServer, store_at
from tests.system.processes import until

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.domain.job import (
    Acknowledgement,
    Candidacy,
    Completion,
    Failure,
    LeaseRequest,
    Load,
    Node,
    PullRequest,
    Query,
    Release,
    Renewal,
)
from workmill.store.port import Store
from workmill.store.redis import RedisStore, lua_library
from workmill.store.redis.caller_identity import Caller
from workmill.store.redis.connection import Refused
from workmill.store.redis.open_store import TAG, open_redis

LOG = "appendonlydir"
ID, STATE = bytes(16), bytes(64)
NODE = Node(incarnation="i", role="worker", host="h", pid=1, version="v", load=Load())


def lease_request() -> LeaseRequest:
    return LeaseRequest(
        worker="w", workloads=("sha512",), min_jobs=1, max_jobs=1, max_cost=0, lease_seconds=15
    )


VERBS: dict[str, Callable[[Store], object]] = {
    "submit": lambda store: store.submit([new_job()]),
    "get": lambda store: store.get([new_job().id]),
    "find": lambda store: store.find(Query(tenant="default", limit=1)),
    "lease": lambda store: store.lease(lease_request()),
    "pull": lambda store: store.pull(PullRequest(top=1, receipt_seconds=60)),
    "cancel": lambda store: store.cancel([new_job().id]),
    "stats": lambda store: store.stats(),
    "nodes": lambda store: store.nodes(),
    "purge": lambda store: store.purge(1),
    "probe": lambda store: store.probe(),
    "renew": lambda store: store.renew(
        [Renewal(id=ID, token=1, done=1, state=STATE, lease_seconds=15)]
    ),
    "complete": lambda store: store.complete([Completion(id=ID, token=1, state=STATE)]),
    "fail": lambda store: store.fail([Failure(id=ID, token=1, reason="r", retryable=True)]),
    "release": lambda store: store.release([Release(id=ID, token=1, done=1, state=STATE)]),
    "acknowledge": lambda store: store.acknowledge([Acknowledgement(receipt=bytes(16))]),
    "queue_profile": lambda store: store.queue_profile(),
    "beat": lambda store: store.beat([NODE]),
    "lead": lambda store: store.lead([Candidacy(candidate="c", lease_seconds=15)]),
}
NO_CALLS = {"group", "new_id", "backup", "restore", "close"}
"""Of a store's verbs: these are no single call in a group."""


def empty_the_disk(server: RedisServer) -> None:
    server.kill()
    shutil.rmtree(server.directory / LOG)
    server.start()


def swap(server: RedisServer) -> None:
    server.ask("SWAPDB", 0, 1)


def flush(server: RedisServer) -> None:
    server.ask("FLUSHALL")


def flush_one(server: RedisServer) -> None:
    server.ask("FLUSHDB")


def lose_the_books(server: RedisServer) -> None:
    server.ask("DEL", TAG + "abooks")


def come_to_another(server: RedisServer) -> None:
    """As a failover to the wrong set, or a name that leads elsewhere."""
    server.ask("FLUSHALL")
    store_at(server.address).close()


LOSSES = (flush, flush_one, swap, empty_the_disk, lose_the_books, come_to_another)


@pytest.fixture
def store(plain: RedisServer) -> Iterator[RedisStore]:
    opened = store_at(plain.address)
    with opened.group():
        opened.submit([new_job(total=1)])
    yield opened
    opened.close()


def _back(store: RedisStore) -> bool:
    """Whether the server answers again, whatever it says."""
    try:
        with store.group():
            store.stats()
    except StoreDamaged:
        return True
    except StoreUnavailable:
        return False
    return True


@pytest.mark.parametrize("lose", LOSSES)
def test_a_store_that_is_gone_is_called_damaged(
    plain: RedisServer,
    store: RedisStore,
    lose: Callable[[RedisServer], None],
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Every verb says so, in words; it is written down once; nothing is founded in its place."""
    lose(plain)
    until(lambda: _back(store))
    before = plain.ask("DBSIZE")
    for act in VERBS.values():
        told = pytest.raises(StoreDamaged, match="is not the store that was opened")
        with told as error, store.group():
            act(store)
        assert "attempt to" not in error.value.detail
        assert error.value.behind_ms is None, (
            "no older copy, whose last minutes could be made up for"
        )
    assert plain.ask("DBSIZE") == before
    assert capfdbinary.readouterr().err.count(b'"store.damaged"') == 1


def test_every_verb_is_tried_above() -> None:
    """One that is new must know its store as well as the others."""
    verbs = {name for name in vars(Store) if not name.startswith("_")}
    assert set(VERBS) == verbs - NO_CALLS


def test_no_function_answers_for_another_store(plain: RedisServer, store: RedisStore) -> None:
    """Those of backups, restores and shards included; only the opening may meet what it does not
    know."""
    stranger = Caller()
    stranger.opened(b"stranger", 0)
    payload = msgspec.msgpack.encode((stranger.head(0),))
    verbs = set(re.findall(r"^register\('(\w+)'", lua_library.code(), flags=re.MULTILINE))
    assert verbs > {"join", "lead", "open", "renew"}
    before = plain.ask("HGETALL", TAG + "abooks")
    for verb in verbs - {"open"}:
        with pytest.raises(Refused, match="WMDAMAGED another store"):
            plain.ask("FCALL", lua_library.function(verb), 1, TAG, payload)
    assert plain.ask("HGETALL", TAG + "abooks") == before
    with store.group():
        store.probe()


def test_an_older_copy_is_told_from_the_store(plain: RedisServer, store: RedisStore) -> None:
    """Though others have written since: each endpoint knows its own last number."""
    keep_a_copy(plain, store)
    bring_the_copy_back(plain)
    other = store_at(plain.address)
    with other.group():
        other.submit([new_job() for _ in range(20)])
    until(lambda: _back(store))
    with pytest.raises(StoreDamaged, match="older copy of itself") as told, store.group():
        store.get([])
    assert told.value.behind_ms is not None
    assert told.value.behind_ms > 0
    other.close()


def keep_a_copy(server: RedisServer, store: Store) -> None:
    """And go on until the store's number has risen above that of the copy."""
    noted = server.ask("HGETALL", TAG + "mark")
    server.kill()
    shutil.copytree(server.directory / LOG, server.directory / "older")
    server.start()
    until(lambda: _submitted(store) and server.ask("HGETALL", TAG + "mark") != noted)


def bring_the_copy_back(server: RedisServer) -> None:
    server.kill()
    shutil.rmtree(server.directory / LOG)
    shutil.move(server.directory / "older", server.directory / LOG)
    server.start()


def _submitted(store: Store) -> bool:
    try:
        with store.group():
            store.submit([new_job()])
            store.probe()
    except StoreUnavailable:
        return False
    return True


def test_the_right_store_is_known_again(plain: RedisServer, store: RedisStore) -> None:
    """When the address leads to it once more: nothing was lost, and nothing need be restarted."""
    plain.ask("SWAPDB", 0, 1)
    assert _back(store)
    with pytest.raises(StoreDamaged), store.group():
        store.probe()
    plain.ask("SWAPDB", 0, 1)
    with store.group():
        store.probe()
        assert store.stats().submitted_total == 1


def test_what_went_back_a_little_is_submitted_again(
    plain: RedisServer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The layer that remembers the last two minutes makes up for it; the loss is told all the
    same, and an empty store is not healed by it."""
    store = open_redis(plain.address)
    with store.group():
        store.submit([new_job()])
        store.probe()
    keep_a_copy(plain, store)
    late = new_job()
    with store.group():
        store.submit([late])
    bring_the_copy_back(plain)
    until(lambda: _found(store, late.id))
    said = capfdbinary.readouterr().err
    assert said.count(b'"store.rolled_back"') == 1
    assert b'"store.resubmitted"' in said
    plain.ask("FLUSHALL")
    with pytest.raises(StoreDamaged), store.group():
        store.stats()
    store.close()


def _found(store: Store, job_id: bytes) -> bool:
    try:
        with store.group():
            return store.get([job_id])[0] is not None
    except StoreUnavailable:
        return False


def test_a_restore_keeps_the_name(plain: RedisServer, store: RedisStore, tmp_path: Path) -> None:
    """What is restored on purpose is the same store, for every endpoint that has it open."""
    other = store_at(plain.address)
    store.backup(tmp_path / "copy")
    other.restore(tmp_path / "copy")
    with store.group():
        assert store.stats().submitted_total == 1
    other.close()


def test_keys_that_somebody_removed_are_said_in_words(
    plain: RedisServer, store: RedisStore
) -> None:
    """A part of the store is gone: no words of Lua, and what does not need it goes on."""
    plain.ask("SET", TAG + "ap0", "x")
    plain.ask("DEL", TAG + "ao1")
    plain.ask("SET", TAG + "ao1", "no list")
    raised = pytest.raises(StoreDamaged, match="are missing, or are not what they were")
    with raised as told, store.group():
        store.pull(PullRequest(top=1))
    assert "attempt" not in told.value.detail
    with store.group():
        store.probe()


def test_numbers_of_the_long_silent_are_forgotten(plain: RedisServer, store: RedisStore) -> None:
    """The lowest: an endpoint that is there has one of now, and is still known."""
    old = [word for number in range(2000) for word in (f"old{number}", number)]
    plain.ask("HSET", TAG + "mark", *old)
    store_at(plain.address).close()
    assert plain.ask("HLEN", TAG + "mark") < 1000
    with store.group():
        store.probe()
