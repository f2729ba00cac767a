"""A restore of a store of several parts when one of them cannot do its share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.job_factory import new_job
from tests.redis.shards import TAG, away, open_on
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import NewJob
from workmill.domain.lifecycle import Status
from workmill.store.redis.primary_link import RedisLink
from workmill.store.sharded import ShardedStore
from workmill.store.sharded.restore_barrier import Abandoned, Muster

JOBS = 40


def submit(store: ShardedStore, *jobs: NewJob) -> None:
    with store.group():
        store.submit(jobs)


def queued(store: ShardedStore) -> int:
    with store.group():
        return store.stats().jobs[Status.QUEUED]


def warnings(store: ShardedStore) -> tuple[str, ...]:
    with store.group():
        return tuple(one for one in store.stats().warnings if "killed" in one)


def test_a_restore_needs_all_parts(servers: list[RedisServer], tmp_path: Path) -> None:
    """With one away nothing is changed in the others, and nobody waits until it is back."""
    store = open_on(servers[:2])
    submit(store, *(new_job() for _ in range(JOBS)))
    store.backup(tmp_path / "copy")
    submit(store, *(new_job() for _ in range(JOBS)))
    servers[1].kill()
    until(lambda: away(store))
    said = list[BaseException]()

    def restore() -> None:
        try:
            store.restore(tmp_path / "copy")
        except StoreUnavailable as error:
            said.append(error)

    thread = threading.Thread(target=restore, daemon=True)
    thread.start()
    thread.join(30)
    answered = bool(said)
    servers[1].start()
    thread.join()
    assert answered
    assert "Nothing was changed" in str(said[0])
    until(lambda: not away(store))
    assert queued(store) == 2 * JOBS
    store.restore(tmp_path / "copy")
    assert queued(store) == JOBS
    store.close()


HURT: dict[str, Callable[[RedisServer], object]] = {
    "no memory left": lambda one: one.ask("CONFIG", "SET", "maxmemory", "1"),
    "a right is missing": lambda one: one.ask("ACL", "SETUSER", "default", "-rpush"),
}


@pytest.mark.parametrize("hurt", HURT)
def test_a_part_that_cannot_take_it_leaves_all_as_they_were(
    servers: list[RedisServer], tmp_path: Path, hurt: str
) -> None:
    """Else some would hold the backup and others what they had: jobs twice, or not at all."""
    store = open_on(servers[:2])
    submit(store, *(new_job() for _ in range(JOBS)))
    store.backup(tmp_path / "copy")
    submit(store, *(new_job() for _ in range(JOBS)))
    HURT[hurt](servers[1])
    with pytest.raises(StoreUnavailable, match="Nothing was changed in any part"):
        store.restore(tmp_path / "copy")
    servers[1].ask("CONFIG", "SET", "maxmemory", "0")
    servers[1].ask("ACL", "SETUSER", "default", "+@all")
    assert queued(store) == 2 * JOBS
    for server in servers[:2]:
        assert not server.ask("KEYS", f"{TAG}b*"), "and nothing is left of it"
    store.restore(tmp_path / "copy")
    assert queued(store) == JOBS
    store.close()


def test_a_kill_in_the_moment_of_the_change_is_told_afterwards(
    servers: list[RedisServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part holds the backup and the other what it had. Every endpoint says so, also one that
    comes later, once nobody can be restoring any more, and until the restore is made again."""
    store = open_on(servers[:2])
    submit(store, *(new_job() for _ in range(JOBS)))
    store.backup(tmp_path / "copy")
    submit(store, *(new_job() for _ in range(JOBS)))

    def killed(link: RedisLink, function: str, payload: bytes, *, writes: bool) -> Any:
        if str(servers[1].node) in link._where and ("load_switch" in function or dead):
            dead.append(True)
            raise StoreUnavailable("killed")
        return call(link, function, payload, writes=writes)

    dead, call = list[bool](), RedisLink.call
    monkeypatch.setattr(RedisLink, "call", killed)
    with pytest.raises(StoreUnavailable, match="restored"):
        store.restore(tmp_path / "copy")
    monkeypatch.undo()
    assert not warnings(store), "the restore may still be under way"
    assert servers[1].ask("DEL", f"{TAG}loading") == 1  # as its expiry would
    later = open_on(servers[:2])
    for one in (store, later):
        until(lambda one=one: not away(one))  # type: ignore[misc]
        (said,) = warnings(one)
        assert str(servers[1].node) in said
        assert "Restore the same file again" in said
    store.restore(tmp_path / "copy")
    for one in (store, later):
        assert not warnings(one)
        assert queued(one) == JOBS
        one.close()


def test_who_is_ready_waits_and_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the last one is ready; what fails after that is no news for the others."""
    monkeypatch.setattr("workmill.store.sharded.restore_barrier.STAY_SECONDS", 0.01)
    muster, stayed = Muster(2), threading.Event()
    first = threading.Thread(target=muster.ready, args=(stayed.set,))
    first.start()
    assert stayed.wait(60)
    muster.ready(lambda: None)
    first.join(60)
    muster.fail()
    assert not muster.failed


def test_nobody_changes_over_when_one_has_failed() -> None:
    """Whether it failed before the others were ready, or while they waited."""
    for early in (True, False):
        muster = Muster(2)
        if early:
            muster.fail()
        with pytest.raises(Abandoned):
            muster.ready(muster.fail)
        assert muster.failed
