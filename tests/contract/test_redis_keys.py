"""What only the Redis store promises: its keys, its memory, its library, its own clock."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import redis
from tests.contract.conftest import open_redis, tag_of
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import HandClock, Stand
from tests.redis_servers import client_of, folder, link_to, redis_on_socket

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.domain.job import Completion, LeaseRequest, Node, PullRequest, Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.limits import KNOWN_RETENTION_SECONDS, RESULT_RETENTION_SECONDS
from workmill.store.redis import RedisStore, lua_library
from workmill.store.redis.link_port import Link
from workmill.store.redis.record_codec import MAX_TOTAL
from workmill.store.retention import Bounds


@pytest.fixture
def stand(redis_url: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(partial(open_redis, redis_url), tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with client_of(redis_url) as opened:
        yield opened


def request(jobs: int) -> LeaseRequest:
    return LeaseRequest(
        worker="w",
        workloads=("sha512",),
        min_jobs=jobs,
        max_jobs=jobs,
        max_cost=0,
        lease_seconds=15,
    )


def test_when_all_is_purged_only_the_books_are_left(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """No verb leaves a key behind that nobody will remove: memory follows what is kept."""
    stand.submit(*(new_job(str(number % 40), total=2 + number % 3) for number in range(300)))
    stand.submit(*(new_job("x", total=total) for total in range(1, 40)))
    for lease in stand.lease(60):
        stand.complete(lease, state_of("any", 1))
    for number, lease in enumerate(stand.lease(60)):
        stand.cancel(lease) if number % 2 else stand.fail(lease, retryable=False)
    stand.lease(30, lease_seconds=1)
    stand.pull(20)
    stand.acknowledge(stand.pull(20, receipt_seconds=60), new_job().id)
    stand.pull(20, receipt_seconds=60)
    stand.clock.advance(20)
    while leases := stand.lease(100):
        for lease in leases:
            stand.complete(lease, state_of("any", 1))
    stand.clock.advance(RESULT_RETENTION_SECONDS + 1)
    while stand.purge(50):
        pass
    stand.clock.advance(KNOWN_RETENTION_SECONDS + 1)
    while stand.purge(50):
        pass
    tag = tag_of(tmp_path)
    left = {key.decode()[len(tag) :] for key in client.scan_iter(f"{tag}*")}
    assert left == {"mark", "abooks", "anames", "aowners", "apages", "alive", "ap0"}
    stats = stand.stats()
    assert (stats.known_jobs, stats.known_bytes, stats.backlog_iterations) == (0, 0, 0)
    assert set(stats.jobs.values()) == {0}
    assert client.hget(f"{tag}abooks", "delivered_bytes") == b"0"


def test_many_totals_of_one_key_are_found(stand: Stand) -> None:
    """However many runs of the same data there are, the same one attaches and a longer one starts
    from the furthest of the nearest."""
    totals = range(10, 400, 10)
    stand.submit(*(new_job("x", total=total) for total in totals))
    again = stand.submit(*(new_job("x", total=total) for total in totals))
    assert {reply.status for reply in again} == {Status.ATTACHED}
    for lease in stand.lease(100):
        stand.complete(lease, state_of("x", lease.total))
    assert stand.submit(new_job("x", total=395))[0].done == 390
    assert stand.submit(new_job("x", total=205))[0].done == 200
    assert stand.submit(new_job("x", total=200))[0].status is Status.DONE


def test_delivered_jobs_are_bounded_in_bytes(redis_url: str, tmp_path: Path) -> None:
    """They leave memory before their hour, the eldest first; results nobody has fetched stay."""

    def connect() -> Link:
        return link_to(redis_url, tag_of(tmp_path))

    stand = Stand(
        lambda _, clock, __=None: RedisStore(connect, clock=clock, max_delivered_bytes=1000),
        tmp_path,
    )
    stand.submit(*(jobs := [new_job(total=1) for _ in range(10)]))
    pulled = stand.pull(8).results
    assert stand.purge() == 5
    with stand.store.group():
        there = stand.store.get([job.id for job in jobs])
    assert [job is not None for job in there].count(True) == 5
    assert stand.stats().jobs[Status.DONE] == 2
    assert stand.purge() == 0
    assert len(pulled) == 8
    stand.store.close()


def test_silence_gives_every_lease_time_once(
    redis_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    """While the server was away nobody could renew. A worker that is dead is not waited for
    twice, however rarely anybody asks."""
    store = RedisStore(partial(link_to, redis_url, tag_of(tmp_path)))

    def be_silent(seconds: int) -> None:
        """As if so much time had passed since the last call, and since everything before."""
        books, leased = (f"{tag_of(tmp_path)}a{name}" for name in ("books", "leased"))
        client.hincrby(books, "last_ms", -seconds * 1000)
        for seq in cast("list[bytes]", client.zrange(leased, 0, -1)):
            client.zincrby(leased, -seconds * 1000, seq.decode())

    with store.group():
        store.submit([new_job()])
        (lease,) = store.lease(request(1))
    be_silent(100)
    with store.group():
        assert store.lease(request(1)) == []
    be_silent(20)
    with store.group():
        (again,) = store.lease(request(1))
    assert (again.id, again.token) == (lease.id, lease.token + 1)
    store.close()


def test_a_leap_of_the_clock_purges_nothing(
    redis_url: str,
    client: redis.Redis,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A server whose clock was days behind and is put right, a failover to one that is days ahead,
    or days without any endpoint: what nobody could fetch meanwhile is kept for its time again, and
    that is told once. When that time is over it goes."""
    store = RedisStore(partial(link_to, redis_url, tag_of(tmp_path)))
    books, outbox = (f"{tag_of(tmp_path)}a{name}" for name in ("books", "o1"))
    week_ms = round(RESULT_RETENTION_SECONDS * 1000)

    def be_behind() -> None:
        """As if all so far had happened with the clock nine days back."""
        behind_ms = week_ms + 2 * 86_400_000
        client.hincrby(books, "last_ms", -behind_ms)
        for seq in cast("list[bytes]", client.zrange(outbox, 0, -1)):
            client.zincrby(outbox, -behind_ms, cast("str", seq))

    def purged() -> int:
        with store.group():
            return store.purge(100)

    with store.group():
        store.submit([new_job(total=1) for _ in range(3)])
    be_behind()
    assert [purged(), purged()] == [0, 0]
    with store.group():
        store.submit([new_job()])
        assert store.stats().jobs[Status.DONE] == 3
    said = capfdbinary.readouterr().err
    assert said.count(b'"store.clock_leapt"') == 1
    client.hincrby(books, "leapt_ms", -week_ms)
    assert purged() == 3
    store.close()


def test_a_leap_holds_whatever_is_kept_for_a_time(
    redis_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    """Results that were fetched and known work as well: each has its own time."""
    kept = Bounds(
        result_retention_seconds=0.0, delivered_retention_seconds=0.0, known_retention_seconds=0.0
    )
    store = RedisStore(partial(link_to, redis_url, tag_of(tmp_path)), bounds=kept)
    books = f"{tag_of(tmp_path)}abooks"

    def purged() -> int:
        with store.group():
            return store.purge(100)

    with store.group():
        store.submit([new_job(total=1), new_job(total=1), new_job("known")])
        (lease,) = store.lease(request(1))
        word = Completion(id=lease.id, token=lease.token, state=state_of("known", 100))
        assert store.complete([word]) == [Verdict.APPLIED]
        store.pull(PullRequest(top=1))
        assert store.stats().jobs[Status.DELIVERED] == 1
    client.hset(books, "leapt_ms", str(2**41))
    assert purged() == 0
    client.hset(books, "leapt_ms", "0")
    assert purged() == 4
    store.close()


def test_only_new_work_is_refused_when_memory_is_short(tmp_path: Path) -> None:
    """Work in hand is brought to its end, and results leave, which makes room."""
    with folder() as directory, redis_on_socket(directory) as url:
        stand = Stand(partial(open_redis, url), tmp_path)
        stand.submit(*(new_job() for _ in range(3)))
        with client_of(url) as client:
            client.config_set("maxmemory", "1mb")
            with pytest.raises(StoreUnavailable, match="memory"):
                stand.submit(new_job())
            lease = stand.lease_one()
            assert stand.renew(lease, 9, b"x" * 64) is Verdict.APPLIED
            assert stand.complete(lease, b"y" * 64) is Verdict.APPLIED
            assert len(stand.pull(receipt_seconds=9).results) == 1
            assert stand.cancel(new_job()) == [Verdict.UNKNOWN]
            assert stand.stats().jobs[Status.QUEUED] == 2
            client.config_set("maxmemory", "0")
        stand.submit(new_job())
        stand.store.close()


def test_an_older_library_works_beside_a_newer_one(
    stand: Stand, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old and new endpoints serve one store while they are upgraded, each with its own code."""
    older = lua_library.code() + "\n-- as it was before\n"
    with monkeypatch.context() as patch:
        patch.setattr(lua_library, "code", lambda: older)
        lua_library.name.cache_clear()
        old = Stand(partial(open_redis, redis_url), tmp_path)
        old_name = lua_library.name()
        old.submit(job := new_job("a"))
    lua_library.name.cache_clear()
    assert lua_library.name() != old_name
    lease = stand.lease_one()
    assert lease.id == job.id
    with monkeypatch.context() as patch:
        patch.setattr(lua_library, "name", lambda: old_name)
        assert old.complete(lease, state_of("a", 100)) is Verdict.APPLIED
        old.store.close()
    assert stand.submit(new_job("a"))[0].status is Status.DONE


def test_a_library_that_vanished_is_loaded_again(stand: Stand, client: redis.Redis) -> None:
    """Somebody has flushed the functions: the call has not run, so it may be sent again."""
    client.function_delete(lua_library.name())
    assert stand.submit(new_job())[0].created


def test_another_layout_is_refused(stand: Stand, client: redis.Redis, tmp_path: Path) -> None:
    """An endpoint that does not know these keys keeps its hands off them."""
    client.hset(f"{tag_of(tmp_path)}abooks", "layout", 99)
    with pytest.raises(StoreUnavailable, match="layout 99"):
        stand.submit(new_job())
    client.hset(f"{tag_of(tmp_path)}abooks", "layout", lua_library.LAYOUT)
    assert stand.stats().submitted_total == 0


def test_what_no_record_can_hold_is_refused_before_it_is_sent(stand: Stand) -> None:
    """The whole batch, so that nothing of it is stored."""
    with pytest.raises(InvalidInput, match="Nothing was stored"):
        stand.submit(new_job(), new_job(total=MAX_TOTAL + 1))
    assert stand.stats().submitted_total == 0


def test_heads_and_latest_say_what_lease_and_pull_would_give(stand: Stand) -> None:
    """In the same order, with ages that a store made of several can merge by."""
    jobs = [new_job(priority=priority) for priority in (0, 5, -1, 0)]
    store = stand.store
    assert isinstance(store, RedisStore)
    with store.group():
        store.submit(jobs, [2**52 + number for number in range(4)])
        heads = store.heads(request(10))
        few = store.heads(request(2))
    assert [head.rank for head in heads] == [-5, 0, 0, 1]
    assert [head.age - 2**52 for head in heads] == [1, 0, 3, 2]
    assert heads == sorted(heads)
    assert few == heads[:2]
    assert {(head.cost, head.suspect) for head in heads} == {(99, False)}
    for lease in stand.lease():
        stand.complete(lease, b"x" * 64)
        stand.clock.advance(1)
    with store.group():
        latest = store.latest(PullRequest(top=3))
    assert [one.age - 2**52 for one in latest] == [2, 3, 0]
    assert latest == sorted(latest, reverse=True)


def test_nodes_are_forgotten_where_they_lie(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Nodes that fell silent leave memory when others beat."""
    for number in range(5):
        node = Node(incarnation=f"i{number}", role="worker", host="h", pid=1, version="0")
        with stand.store.group():
            stand.store.beat([node])
        stand.clock.advance(20)
    assert client.hlen(f"{tag_of(tmp_path)}anodes") == 1


def test_a_server_that_is_away_is_told_as_unavailable(tmp_path: Path) -> None:
    """Its return is noticed by the next call; what was acknowledged is there."""
    with folder() as directory:
        clock = HandClock()
        with redis_on_socket(directory) as url:
            store = open_redis(url, tmp_path, clock)
            with store.group():
                store.submit([job := new_job()])
        with pytest.raises(StoreUnavailable), store.group():
            store.stats()
        with redis_on_socket(directory):
            with store.group():
                (found,) = store.get([job.id])
            assert found is not None
            store.close()


def test_a_killed_server_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """`appendfsync always`: the reply leaves after the log has been synced."""
    with folder() as directory:
        with redis_on_socket(directory) as url:
            stand = Stand(partial(open_redis, url), tmp_path)
            jobs = [new_job() for _ in range(100)]
            stand.submit(*jobs)
            with client_of(url) as client:
                pid = client.info("server")["process_id"]
            os.kill(pid, signal.SIGKILL)
        with redis_on_socket(directory):
            stand.reopen()
            assert [lease.id for lease in stand.lease(100)] == [job.id for job in jobs]
            stand.store.close()
