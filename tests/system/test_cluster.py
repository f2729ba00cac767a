"""`workmill cluster` as a whole: it serves through its balancer, and any process of it may die."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.load.load import Load
from tests.load.over_http import Sdk
from tests.redis_servers import folder
from tests.system.clusters import Cluster, need_programs, said
from tests.system.processes import children, gone, run, until
from tests.system.service_definition import value_of

PATIENCE_SECONDS = 10.0
"""What a caller bears while everything is restarted: a step that is not waited for costs more."""
RECEIPT_SECONDS = 30.0
"""Longer than that: what is delivered again although nothing lapsed counts as twice."""

SIZE = ("--endpoints", "2:2")
"""Of a fixed size, so that it can be compared: load would start others."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    need_programs()
    with folder() as directory, Cluster(directory, *SIZE, workers="2:2") as started:
        yield started


def test_it_computes_through_its_balancer(cluster: Cluster) -> None:
    """What is submitted at the one door is right, and pulled there."""
    with cluster.client() as client:
        works = {b"%d" % number: 1000 + number for number in range(40)}
        handles = [client.submit(data, count) for data, count in works.items()]
        values = [handle.result(60).hex() for handle in handles]
        assert values == [value_of(data, count) for data, count in works.items()]
        pulled = client.pull(top=40)
    expected = {handle.id: value for handle, value in zip(handles, values, strict=True)}
    assert {one.id: one.value.hex() for one in pulled} == expected


def test_nobody_is_warned_of_what_is_kept(cluster: Cluster) -> None:
    """Its endpoints may not read how the log is synced, and need not: a server that is set
    otherwise is set right again."""
    events = cluster.events()
    assert not [one for one in events if one["event"] == "store.doubtful"]
    with cluster.deployer() as connection:
        connection.ask("CONFIG", "SET", "appendfsync", "everysec")
        until(lambda: connection.ask("CONFIG", "GET", "appendfsync")[1] == b"always")


@pytest.mark.parametrize("who", ["primary", "balancer"])
def test_a_death_in_the_middle_of_work_loses_nothing(cluster: Cluster, who: str) -> None:
    """kill -9 of the data server that leads the store, or of HAProxy: no submit fails through the
    SDK, and everything acknowledged ends right."""
    victim = cluster.server(cluster.primary()) if who == "primary" else cluster.child("haproxy")
    works = {b"%s %d" % (who.encode(), number): 20_000 + number for number in range(60)}
    with cluster.client() as client:
        first = [client.submit(data, count) for data, count in list(works.items())[:30]]
        os.kill(victim, signal.SIGKILL)
        rest = [client.submit(data, count) for data, count in list(works.items())[30:]]
        values = [handle.result(80).hex() for handle in first + rest]
    assert values == [value_of(data, count) for data, count in works.items()]
    until(lambda: gone(victim))


def test_a_rolling_restart_is_not_noticed(cluster: Cluster) -> None:
    """Under load through the SDK: no request fails, nothing is lost, wrong or delivered twice, and
    no process but the supervisor is the one it was. Nobody is taken away before the one that was
    restarted last is whole."""
    said_before = len(cluster.events())
    way = Sdk(cluster.url, patience_seconds=PATIENCE_SECONDS, receipt_seconds=RECEIPT_SECONDS)
    before = cluster.serving()
    with Load([way], puller=way) as load:
        load.wait_for(10)
        cluster.restart()
        assert all(gone(pid) for pid in before)
        load.wait_for(10)
    outcome = load.outcome()
    assert outcome.kept, outcome
    assert outcome.failures("sdk") == 0, outcome
    said = cluster.events()[said_before:]
    assert of_endpoints(said) == ["endpoint.ready", "endpoint.leaving"] * 2
    assert of_hosts(said) == ["starts", "in step"] * 3


def of_endpoints(events: list[dict[str, Any]]) -> list[str]:
    """Which endpoints came and went, in their order."""
    return [
        one["event"] for one in events if one["event"] in ("endpoint.ready", "endpoint.leaving")
    ]


def of_hosts(events: list[dict[str, Any]]) -> list[str]:
    """When a data server started, and when that one could be promoted again."""
    told, last = [], None
    for one in events:
        if one["event"] == "redis.starts":
            told.append("starts")
            last = one["host"]
        elif one["event"] == "redis.priority" and (one["host"], one["priority"]) == (last, 100):
            told.append("in step")
            last = None
    return told


@pytest.mark.faults
def test_endpoints_that_all_hang_are_replaced(cluster: Cluster) -> None:
    """SIGSTOP: without an endpoint nobody leads, so it is the supervisor that ends them."""
    stopped = [pid for pid in children(cluster.process.pid) if "child endpoint" in said(pid)]
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    until(lambda: all(gone(pid) for pid in stopped), 80)
    with cluster.client() as client:
        handle = client.submit(b"after the hang", 100)
        assert handle.result(80).hex() == value_of(b"after the hang", 100)


@pytest.mark.faults
def test_a_balancer_that_hangs_is_replaced(cluster: Cluster) -> None:
    """SIGSTOP of the process that serves: nobody else can end it, and it holds the one door."""
    master = cluster.child("haproxy")
    for pid in (master, *children(master)):
        os.kill(pid, signal.SIGSTOP)
    until(lambda: gone(master), 80)
    with cluster.client() as client:
        handle = client.submit(b"another door", 100)
        assert handle.result(80).hex() == value_of(b"another door", 100)


def test_whatever_dies_is_replaced(cluster: Cluster) -> None:
    """kill -9 of every child in turn, its neighbours included: each is there again as it was, and
    the whole serves."""
    pids = children(cluster.process.pid)
    words = parts(cluster)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: parts(cluster) == words)
    assert not set(pids) & set(children(cluster.process.pid))
    with cluster.client() as client:
        handle = client.submit(b"after", 100)
        assert handle.result(80).hex() == value_of(b"after", 100)


def parts(cluster: Cluster) -> list[str]:
    """How each child is run, without the blanks with which Redis pads its title; an endpoint takes
    the lowest port that is free."""
    words = [said(pid).rstrip() for pid in children(cluster.process.pid)]
    return sorted(re.sub(r'"port":\d+', '"port"', one) for one in words)


def test_its_data_is_its_own(cluster: Cluster) -> None:
    """A second one on the same directory is refused and says so; passwords are for nobody else."""
    refused = run("cluster", "--port", "0", "--data", str(cluster.data))
    assert refused.returncode == 1
    assert b"runs on" in refused.stderr
    secrets = ["passwords.json", "ca/ca.key", "redis-1/host.json", "endpoint/password"]
    for name in secrets:
        assert (cluster.data / "store" / name).stat().st_mode & 0o007 == 0, name
    assert (cluster.data / "store").stat().st_mode & 0o077 == 0


def test_a_new_start_finds_what_was_kept(cluster: Cluster) -> None:
    """kill -9 of the supervisor itself: its children notice and end, whatever they are. Started
    again on the same data it knows every job, and what was under way goes on from its checkpoint.
    """
    with cluster.client() as client:
        done = client.submit(b"done before", 3000)
        value = done.result(60)
        endless = client.submit(b"endless", 10**10)
        checkpoint = until(lambda: (now := client.job(endless.id).done) > 1 and now)
    tree = cluster.tree()
    os.kill(cluster.process.pid, signal.SIGKILL)
    cluster.process.wait(60)
    until(lambda: all(gone(pid) for pid in tree))
    cluster.start_again()
    with cluster.client() as client:
        assert client.result(done.id, 60) == value
        assert client.job(endless.id).done >= checkpoint
        client.cancel(endless.id)


def test_a_stop_drains_and_leaves_no_process(cluster: Cluster) -> None:
    """Ctrl-C: exit 0, and nothing is left of the whole tree."""
    tree = cluster.tree()
    assert len(tree) > 15
    assert cluster.stop() == 0
    assert all(gone(pid) for pid in tree)


def test_it_does_not_take_the_directory_of_another_kind_of_store() -> None:
    """The jobs of `up` would lie there unseen: it is refused in words, and nothing changes."""
    need_programs()
    with folder() as directory:
        jobs = directory / "jobs.db"
        jobs.write_bytes(b"of up")
        refused = run("cluster", "--port", "0", "--data", str(directory))
        assert refused.returncode == 1
        assert b"of `workmill up`" in b" ".join(refused.stderr.split())
        assert [one.name for one in directory.iterdir()] == [jobs.name]


def test_it_does_not_open_itself_to_strangers(tmp_path: Path) -> None:
    """Beyond loopback without a key nothing starts, and the refusal says what to do."""
    need_programs()
    refused = run("cluster", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path))  # noqa: S104
    assert refused.returncode == 1
    assert b"--key-file" in refused.stderr
    assert not list(tmp_path.iterdir())
