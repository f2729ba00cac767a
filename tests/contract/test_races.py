"""Real processes race for the same jobs: nothing is had twice, nothing is lost.

On Redis, and on a store of two parts, they speak to the store itself, each over a connection of
its own; SQLite has one owner, so there they race through its endpoint.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.contract.racer import SHARED, StoreWay, id_of
from tests.system.roles import running_mill

from workmill.domain.job import Stats
from workmill.domain.lifecycle import Status

ROOT = Path(__file__).parents[2]
RACERS = 4
JOBS = {"redis": 900, "shards": 900, "sqlite": 300}
TAGS = {"redis": "{race}", "shards": "{race0},{race1}"}


class Race(NamedTuple):
    """What the racers had between one start and the last delivery, and the books after it."""

    jobs: int
    told: list[dict[str, Any]]
    stats: Stats

    def counts(self, what: str) -> Counter[str]:
        return Counter(one for racer in self.told for one in racer[what])


def started(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)


def run(jobs: int, *way: str) -> list[dict[str, Any]]:
    """Start all racers, let them go at once, and hear what each had."""
    command = [sys.executable, "-m", "tests.contract.racer", *way, str(jobs)]
    with ExitStack() as stack:
        racers = [stack.enter_context(started(command)) for _ in range(RACERS)]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        return [json.loads(racer.communicate()[0]) for racer in racers]


@pytest.fixture(scope="module", params=JOBS)
def race(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Race:
    jobs = JOBS[request.param]
    if tags := TAGS.get(request.param):
        url = request.getfixturevalue("redis_url")
        told = run(jobs, "redis", url, tags)
        store = StoreWay(url, tags).store
        with store.group():
            stats = store.stats()
        store.close()
        return Race(jobs, told, stats)
    with running_mill(tmp_path_factory.mktemp("race")) as mill:
        told = run(jobs, "http", mill.url)
        return Race(jobs, told, mill.client.stats().stats)


def test_no_job_is_leased_twice(race: Race) -> None:
    """No lease ran out, so no job was in two hands; and the same work was computed once."""
    leased = race.counts("leased")
    assert set(leased.values()) == {1}
    assert len(leased) == race.jobs // SHARED
    assert sum(racer["refused"] for racer in race.told) == 0


def test_no_result_is_delivered_twice(race: Race) -> None:
    """Pulled at once or under a receipt, each result went to one racer."""
    pulled = race.counts("pulled")
    assert set(pulled) == {id_of(number).hex() for number in range(race.jobs)}
    assert set(pulled.values()) == {1}


def test_the_counters_are_right_in_the_end(race: Race) -> None:
    """Everybody submitted every job, and whoever raced with whom: each was taken in once, and the
    books say what has happened."""
    stats, jobs = race.stats, race.jobs
    assert stats.jobs == {**dict.fromkeys(Status, 0), Status.DELIVERED: jobs}
    totals = (stats.submitted_total, stats.completed_total, stats.delivered_total)
    assert totals == (jobs, jobs, jobs)
    assert stats.backlog_iterations == 0
    assert stats.iterations_done_total == jobs // SHARED * 99
