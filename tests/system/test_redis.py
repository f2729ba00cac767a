"""Whole services on one Redis: several endpoints are one system, and a restart loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.redis_servers import folder, redis_on_socket
from tests.system.processes import Up
from tests.system.service_definition import value_of


@pytest.fixture
def store() -> Iterator[tuple[str, str]]:
    """The words that name a Redis of its own."""
    with folder() as directory, redis_on_socket(directory) as url:
        yield "--store", url


def test_two_endpoints_are_one_system(store: tuple[str, str], tmp_path: Path) -> None:
    """What is submitted through one is computed by the other's workers, and pulled through either,
    once; the same work is not computed again."""
    with (
        Up(tmp_path / "one", *store, workers=0) as one,
        Up(tmp_path / "two", *store) as two,
        one.client() as left,
        two.client() as right,
    ):
        works = {b"job %d" % number: 200 + number for number in range(30)}
        handles = [left.submit(data, count) for data, count in works.items()]
        values = [right.result(handle.id, 60).hex() for handle in handles]
        assert values == [value_of(data, count) for data, count in works.items()]
        assert right.submit(b"job 0", 200).result(60).hex() == values[0]
        first, second = left.pull(20), right.pull(100)
        pulled = [result.id for result in (*first, *second)]
        assert len(pulled) == len(set(pulled)) == 31
        assert left.stats().stats.known_hits_total == 1


def test_a_service_goes_on_where_it_was(store: tuple[str, str], tmp_path: Path) -> None:
    """Nothing is kept beside the Redis: another service on it has the jobs of the one before."""
    with Up(tmp_path / "one", *store, workers=0) as up, up.client() as client:
        queued = client.submit(b"queued", 1000)
    with Up(tmp_path / "two", *store) as up, up.client() as client:
        assert client.result(queued.id, 60).hex() == value_of(b"queued", 1000)


def test_backup_and_restore_are_the_same_commands(store: tuple[str, str], tmp_path: Path) -> None:
    """Into a file while it runs, and back; what was unfinished is finished."""
    copy = tmp_path / "copy"
    with Up(tmp_path / "one", *store, workers=0) as up, up.client() as client:
        queued = client.submit(b"queued", 1000)
        up.said("backup", str(copy))
        lost = client.submit(b"not in the copy", 50)
        up.said("restore", str(copy), "--yes")
        assert up.cli("job", lost.id).returncode == 1
    with Up(tmp_path / "two", *store) as up, up.client() as client:
        assert client.result(queued.id, 60).hex() == value_of(b"queued", 1000)
