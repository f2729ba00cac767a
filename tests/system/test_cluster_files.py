"""`workmill cluster` whose files are taken away while it runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest
from tests.redis_servers import folder
from tests.system.clusters import Cluster, need_programs
from tests.system.processes import gone, until
from tests.system.service_definition import value_of


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    need_programs()
    with folder() as directory, Cluster(directory, "--endpoints", "1:1", workers=1) as started:
        yield started


def test_one_host_without_its_files_loses_nothing(cluster: Cluster) -> None:
    """The primary's directory is removed: it is ended, another one leads with everything, and
    this one follows from nothing."""
    name = cluster.primary()
    victim = cluster.server(name)
    with cluster.client() as client:
        first = client.submit(b"before", 1000)
        assert first.result(60).hex() == value_of(b"before", 1000)
        shutil.rmtree(cluster.data / "store" / name / "data")
        until(lambda: gone(victim))
        later = client.submit(b"after", 1000)
        assert later.result(80).hex() == value_of(b"after", 1000)
        assert cluster.primary() != name  # and all are in step again
        assert client.result(first.id, 60).hex() == value_of(b"before", 1000)


def test_a_cluster_without_its_directory_acknowledges_nothing(cluster: Cluster) -> None:
    """Every server is ended, and the log of the command says why; what was moved is served again
    when it is back."""
    servers = [cluster.server(f"redis-{number}") for number in (1, 2, 3)]
    with cluster.client() as client:
        kept = client.submit(b"kept", 1000)
        assert kept.result(60).hex() == value_of(b"kept", 1000)
    elsewhere = cluster.data.with_name("elsewhere")
    cluster.data.rename(elsewhere)
    until(lambda: all(map(gone, servers)))
    assert httpx.post(f"{cluster.url}/v1/results/pull?top=1&receipt_seconds=60").status_code == 503
    until(lambda: any(one["event"] == "cluster.directory_lost" for one in cluster.events()))
    elsewhere.rename(cluster.data)
    until(lambda: httpx.get(f"{cluster.url}/readyz").status_code == 200, 80)
    with cluster.client() as client:
        assert client.result(kept.id, 60).hex() == value_of(b"kept", 1000)
