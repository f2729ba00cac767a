"""A restore by one endpoint is heeded by the others that have the store open."""

from __future__ import annotations

from pathlib import Path

from tests.contract.job_factory import new_job
from tests.redis.test_settings import takes
from tests.redis_servers import ReplicatedRedis
from tests.system.processes import until

from workmill.domain.job import NewJob
from workmill.domain.lifecycle import Status
from workmill.store.redis.open_store import open_redis
from workmill.store.redis.resubmission import ResubmittingStore


def submit(store: ResubmittingStore, *jobs: NewJob) -> None:
    with store.group():
        store.submit(jobs)


def status_of(store: ResubmittingStore, job: NewJob) -> Status | None:
    with store.group():
        (found,) = store.get([job.id])
    return found.status if found else None


def test_a_failover_brings_nothing_back_from_before_a_restore(
    watched: ReplicatedRedis, tmp_path: Path
) -> None:
    """The endpoint that did not restore remembers what it has acknowledged, and a failover makes it
    submit that again."""
    here, there = (open_redis(watched.address) for _ in range(2))
    submit(here, kept := new_job("kept"))
    here.backup(tmp_path / "copy")
    submit(there, before := new_job("before"))
    here.restore(tmp_path / "copy")
    old = watched.primary()
    watched.sentinels[0].ask("SENTINEL", "FAILOVER", "mill")
    until(lambda: watched.primary() is not old)
    for store in (there, there, there, here):
        until(lambda store=store: takes(store))  # type: ignore[misc]
    assert status_of(here, before) is None
    assert status_of(here, kept) is Status.QUEUED
    here.close()
    there.close()
