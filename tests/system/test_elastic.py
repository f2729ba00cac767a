"""`workmill up --workers MIN:MAX`: as many workers as the load asks for, real processes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.system.definition import value_of
from tests.system.processes import Up, gone, until

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


def test_a_killed_worker_is_replaced_by_the_controller(tmp_path: Path) -> None:
    """kill -9 of the only one: another one takes its place, and its work goes on."""
    with Up(tmp_path, workers="1:2") as up, up.client() as client:
        assert client.submit(b"first", 1000).result(60).hex() == value_of(b"first", 1000)
        (pid,) = until(lambda: up.pids("worker"))
        os.kill(pid, signal.SIGKILL)
        until(lambda: (now := up.pids("worker")) and pid not in now)
        assert client.submit(b"next", 1000).result(60).hex() == value_of(b"next", 1000)


def test_an_elastic_service_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C: everything drains, the controller stands down, every process is gone."""
    with Up(tmp_path, workers="1:2") as up:
        until(lambda: events(up, "controller.leads"))
        tree = up.tree()
        assert up.stop() == 0
        assert all(gone(pid) for pid in tree)
