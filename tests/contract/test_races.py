"""Real processes race for the same jobs on one Redis, and on a store of two parts: nothing is had
twice, nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.contract.racer import SHARED, job, open_tags

from workmill.domain.lifecycle import Status

ROOT = Path(__file__).parents[2]
RACERS = 4
JOBS = 900
TAGS = {"redis": "{race}", "shards": "{race0},{race1}"}


@pytest.fixture(scope="module", params=TAGS)
def tags(request: pytest.FixtureRequest) -> str:
    """One Redis, and a store of two parts."""
    return TAGS[request.param]


@pytest.fixture(scope="module")
def told(redis_url: str, tags: str) -> list[dict[str, Any]]:
    """What each of the racers had, after a race from one start to the last delivery."""
    command = [sys.executable, "-m", "tests.contract.racer", redis_url, tags, str(JOBS)]
    racers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    return [json.loads(racer.communicate()[0]) for racer in racers]


def counts(told: list[dict[str, Any]], what: str) -> Counter[str]:
    return Counter(one for racer in told for one in racer[what])


def test_each_job_is_created_once(told: list[dict[str, Any]]) -> None:
    """Every racer submits every job; exactly one of them is told that it is new."""
    created = counts(told, "created")
    assert set(created) == {job(number).id.hex() for number in range(JOBS)}
    assert set(created.values()) == {1}


def test_no_job_is_leased_twice(told: list[dict[str, Any]]) -> None:
    """No lease ran out, so no job was in two hands; and the same work was computed once."""
    leased = counts(told, "leased")
    assert set(leased.values()) == {1}
    assert len(leased) == JOBS // SHARED
    assert sum(racer["refused"] for racer in told) == 0


def test_no_result_is_delivered_twice(told: list[dict[str, Any]]) -> None:
    """Pulled at once or under a receipt, each result went to one racer."""
    pulled = counts(told, "pulled")
    assert len(pulled) == JOBS
    assert set(pulled.values()) == {1}


def test_the_counters_are_right_in_the_end(
    told: list[dict[str, Any]], redis_url: str, tags: str
) -> None:
    """Whoever raced with whom, the books say what has happened."""
    assert told
    store = open_tags(redis_url, tags)
    with store.group():
        stats = store.stats()
    store.close()
    assert stats.jobs == {**dict.fromkeys(Status, 0), Status.DELIVERED: JOBS}
    totals = (stats.submitted_total, stats.completed_total, stats.delivered_total)
    assert totals == (JOBS, JOBS, JOBS)
    assert (stats.backlog_iterations, stats.iterations_done_total) == (
        0,
        JOBS // SHARED * 100 - JOBS // SHARED,
    )
