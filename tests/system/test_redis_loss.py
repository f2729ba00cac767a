"""A Redis that is emptied, or set to lose data, under a whole service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.redis_servers import client_of, folder, redis_on_socket
from tests.system.processes import Up, until


@pytest.fixture
def url() -> Iterator[str]:
    with folder() as directory, redis_on_socket(directory) as named:
        yield named


def status_of(up: Up) -> int:
    return httpx.get(f"{up.url}/readyz").status_code


def test_an_emptied_redis_is_said_and_nothing_is_founded_in_its_place(
    url: str, tmp_path: Path
) -> None:
    """Not ready, an error in the log, words for whoever calls, and the same process: a new one
    would take the empty Redis for a new store."""
    with Up(tmp_path / "up", "--store", url, workers=0) as up, up.client() as client:
        client.submit(b"job", 1000)
        before = up.pids("endpoint")
        with client_of(url) as redis:
            redis.flushall()
        until(lambda: status_of(up) == 503)
        detail = httpx.get(f"{up.url}/readyz").json()["detail"]
        assert "not the store that was opened" in detail
        refused = httpx.post(f"{up.url}/v1/results/pull?top=1&receipt_seconds=60")
        assert refused.status_code == 503
        assert "attempt to" not in refused.text
        with client_of(url) as redis:
            assert redis.dbsize() == 0
        assert httpx.get(f"{up.url}/healthz").status_code == 200
        assert up.pids("endpoint") == before
        assert '"store.damaged"' in up.log.read_text()


def test_a_setting_that_loses_data_is_noticed_while_it_runs(url: str, tmp_path: Path) -> None:
    """Not ready with what to set, and ready again when it is set; `up` is refused there."""
    with Up(tmp_path / "up", "--store", url, workers=0) as up:
        with client_of(url) as redis:
            redis.config_set("maxmemory-policy", "allkeys-lru")
        until(lambda: status_of(up) == 503)
        assert "Set maxmemory-policy noeviction" in httpx.get(f"{up.url}/readyz").json()["detail"]
        with client_of(url) as redis:
            redis.config_set("maxmemory-policy", "noeviction")
        until(lambda: status_of(up) == 200)
