"""What an endpoint has acknowledged outlives a failover that lost it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job
from tests.contract.store_drivers import HandClock

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.domain.job import NewJob, Submitted
from workmill.domain.lifecycle import Status
from workmill.store.port import Store
from workmill.store.redis import resubmission
from workmill.store.redis.resubmission import Memory, ResubmittingStore
from workmill.store.sqlite import SqliteStore


class Forgetful:
    """A store in memory that can lose everything, as a failover to an empty replica would."""

    def __init__(self) -> None:
        self.history = "first"
        self.jobs: dict[bytes, NewJob] = {}
        self.submits: list[int] = []
        self.trouble: Exception | None = None
        self.closing: Exception | None = None
        self.when_asked: Callable[[], object] | None = None

    @contextmanager
    def group(self) -> Iterator[None]:
        yield
        if self.closing:
            raise self.closing

    def submit(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        if self.when_asked:
            self.when_asked()
        if self.trouble:
            raise self.trouble
        self.submits.append(len(jobs))
        said = []
        for job in jobs:
            created = job.id not in self.jobs
            known = self.jobs.setdefault(job.id, job)
            said.append(
                Submitted(
                    id=job.id,
                    status=Status.QUEUED,
                    done=1,
                    created=created,
                    conflict=known.key != job.key,
                )
            )
        return said

    def restore(self, _file: Path) -> None:
        self.jobs.clear()

    def fail_over(self, *, losing: bool = True) -> None:
        self.history += "'"
        if losing:
            self.jobs.clear()


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inner = Forgetful()
        self.clock = HandClock()
        memory = Memory(lambda: self.clock.now_ms / 1000)
        store: Store = self.inner  # type: ignore[assignment]  # as much of one as is used here
        self.store = ResubmittingStore(store, lambda: self.inner.history, memory)
        self.said: list[tuple[int, int]] = []
        monkeypatch.setattr(
            resubmission,
            "emit",
            lambda _, **told: self.said.append((told["jobs"], told["missing"])),
        )

    def submit(self, *jobs: NewJob) -> None:
        with self.store.group():
            self.store.submit(jobs)

    def group(self) -> None:
        with self.store.group():
            pass


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_what_a_failover_lost_is_submitted_again(scene: Scene) -> None:
    """The first group that closes on the new primary shows the change; the next one mends it."""
    jobs = [new_job() for _ in range(5)]
    scene.submit(*jobs)
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert scene.inner.jobs.keys() == {job.id for job in jobs}
    assert scene.said == [(5, 5)]


def test_nothing_happens_while_the_primary_stays(scene: Scene) -> None:
    """And where nothing was lost, saying it again changes nothing."""
    scene.submit(new_job())
    scene.group()
    assert scene.inner.submits == [1]
    scene.inner.fail_over(losing=False)
    scene.group()
    scene.group()
    scene.group()
    assert scene.inner.submits == [1, 1]
    assert scene.said == [(1, 0)]


def test_what_is_older_than_its_time_is_forgotten(scene: Scene) -> None:
    """Bounded in time, so that no ended job can have been purged meanwhile."""
    scene.submit(new_job())
    scene.clock.advance(resubmission.REMEMBERED_SECONDS + 1)
    young = new_job()
    scene.submit(young)
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert scene.inner.jobs.keys() == {young.id}


def test_memory_is_bounded_in_jobs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The eldest go first."""
    monkeypatch.setattr(resubmission, "MAX_REMEMBERED_JOBS", 3)
    jobs = [new_job() for _ in range(5)]
    scene.submit(*jobs)
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert scene.inner.jobs.keys() == {job.id for job in jobs[2:]}


def test_it_goes_on_slice_by_slice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """No group waits for all of it, and the log tells it once."""
    monkeypatch.setattr(resubmission, "SLICE_JOBS", 2)
    scene.submit(*(new_job() for _ in range(5)))
    scene.inner.fail_over()
    for _ in range(4):
        scene.group()
    assert scene.inner.submits == [5, 2, 2, 1]
    assert scene.said == [(5, 5)]


def test_what_was_not_acknowledged_is_not_remembered(scene: Scene) -> None:
    """A conflict names other work, and a group that failed was never promised."""
    job = new_job("one")
    scene.submit(job)
    scene.submit(new_job("other", job_id=job.id))
    scene.inner.closing = StoreUnavailable("no")
    with pytest.raises(StoreUnavailable):
        scene.submit(new_job())
    scene.inner.closing = None
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert scene.inner.jobs == {job.id: job}


def test_a_group_that_fails_is_tried_again_with_the_next(scene: Scene) -> None:
    """A slice is said again until a group with it has closed; a full store only delays it."""
    job = new_job()
    scene.submit(job)
    scene.inner.fail_over()
    scene.group()
    scene.inner.trouble = StoreFull("full")
    scene.group()
    scene.inner.trouble, scene.inner.closing = None, StoreUnavailable("no")
    with pytest.raises(StoreUnavailable):
        scene.group()
    scene.inner.closing = None
    scene.inner.jobs.clear()
    scene.group()
    assert scene.inner.jobs == {job.id: job}


def test_a_restore_is_not_undone(scene: Scene, tmp_path: Path) -> None:
    """What a person put back on purpose is not mixed with what was there before."""
    scene.submit(new_job())
    scene.store.restore(tmp_path)
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert scene.inner.jobs == {}


def test_every_verb_reaches_the_store(tmp_path: Path) -> None:
    """Over a real store it is that store."""
    inner = SqliteStore(tmp_path / "store")
    store: Store = ResubmittingStore(inner, lambda: None)
    job = new_job()
    with store.group():
        store.submit([job])
        assert [one and one.id for one in store.get([job.id])] == [job.id]
        assert store.stats().submitted_total == 1
    store.close()


@pytest.mark.parametrize("saying", [True, False])
def test_what_another_endpoint_has_restored_is_not_undone(scene: Scene, saying: bool) -> None:
    """It is heard of while the jobs of before are said again, which is then broken off, or by
    another call of the group; what the group has submitted itself before that goes, too."""
    scene.submit(new_job())
    scene.inner.fail_over()
    scene.group()
    scene.inner.when_asked = scene.store.forget if saying else None
    with scene.store.group():
        scene.inner.when_asked = None
        scene.store.submit([new_job()])
        if not saying:
            scene.inner.jobs.clear()
            scene.store.forget()
        scene.store.submit([new := new_job()])
    there = 2 if saying else 1
    assert len(scene.inner.jobs) == there
    scene.inner.fail_over()
    scene.group()
    scene.group()
    assert new.id in scene.inner.jobs
    assert len(scene.inner.jobs) == there
