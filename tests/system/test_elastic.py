"""`workmill up --workers MIN:MAX`: as many workers as the load asks for, real processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.system.processes import Up, gone, until
from tests.system.roles import MILLS, computed
from tests.system.service_definition import value_of

from workmill.client.values import Work

SLOW = ("--cool-down", "2", "--target-wait", "1")


def events(up: Up, name: str) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in up.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == name]


def test_it_grows_with_a_burst_drains_and_returns(tmp_path: Path) -> None:
    """From one to three and back to one; every value is right, and each step says why."""
    with Up(tmp_path, *SLOW, workers="1:3") as up, up.client() as client:
        until(lambda: len(up.pids("worker")) == 1)
        endless = [client.submit(b"endless %d" % number, 10**10) for number in range(60)]
        until(lambda: len(up.pids("worker")) == 3)
        works = {b"urgent %d" % number: 1000 + number for number in range(30)}
        handles = [client.submit(data, n, priority=9) for data, n in works.items()]
        for handle in endless:
            handle.cancel()
        values = [handle.result(60).hex() for handle in handles]
        assert values == [value_of(data, n) for data, n in works.items()]
        until(lambda: len(up.pids("worker")) == 1)
        whys = [event["why"] for event in events(up, "controller.grows")]
        assert any("target" in why or "to start" in why for why in whys), whys
        assert all("drain" in event["why"] for event in events(up, "controller.shrinks"))
        assert events(up, "process.died") == []
        assert up.stop() == 0


def test_a_burst_grows_it_to_its_limit_and_nothing_is_computed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 slow jobs: four workers, then one again; every job ends right, and what was computed
    is what was asked for, to the iteration: who drained handed back all that it had done."""
    account = tmp_path / "account"
    monkeypatch.setenv("PYTHONPATH", str(MILLS))
    monkeypatch.setenv("MILLS_ACCOUNT", str(account))
    works = [Work(b"slow%04d" % number, 30 + number % 90) for number in range(2000)]
    with Up(tmp_path, *SLOW, workers="1:4") as up, up.client() as client:
        handles = [*client.submit_many(works, workload="tally")]
        until(lambda: len(up.pids("worker")) == 4)
        for handle, work in zip(handles, works, strict=True):
            assert isinstance(work.data, bytes)
            assert handle.result(60) == work.data + work.iterations.to_bytes(8, "big")
        until(lambda: len(up.pids("worker")) == 1)
        stats = client.stats().stats
        assert (stats.expired_leases_total, stats.failed_total) == (0, 0)
        assert events(up, "process.died") == []
    assert computed(account) == sum(work.iterations - 1 for work in works)


def test_a_killed_worker_is_replaced_by_the_controller(tmp_path: Path) -> None:
    """kill -9 of the only one: another one takes its place, and its work goes on."""
    with Up(tmp_path, workers="1:2") as up, up.client() as client:
        assert client.submit(b"first", 1000).result(60).hex() == value_of(b"first", 1000)
        (pid,) = until(lambda: up.pids("worker"))
        os.kill(pid, signal.SIGKILL)
        until(lambda: (now := up.pids("worker")) and pid not in now)
        assert client.submit(b"next", 1000).result(60).hex() == value_of(b"next", 1000)


def test_a_worker_that_hangs_is_replaced_though_their_number_is_fixed(tmp_path: Path) -> None:
    """SIGSTOP: another one takes its place. The stopped one comes back as one too many, and one of
    them drains."""
    with Up(tmp_path, "--cool-down", "1", workers=1) as up, up.client() as client:
        (pid,) = until(lambda: up.pids("worker"))
        assert client.submit(b"first", 1000).result(60).hex() == value_of(b"first", 1000)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: len(up.pids("worker")) == 2)
            assert client.submit(b"next", 1000).result(60).hex() == value_of(b"next", 1000)
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: len(up.pids("worker")) == 1)
        assert events(up, "process.died") == []


def test_an_elastic_service_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C: everything drains, the controller stands down, every process is gone."""
    with Up(tmp_path, workers="1:2") as up:
        until(lambda: events(up, "controller.leads"))
        tree = up.tree()
        assert up.stop() == 0
        assert all(gone(pid) for pid in tree)
