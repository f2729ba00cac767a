"""An endpoint's own beats: into its store by itself, where no caller can say them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.http.endpoint.conftest import Running, Start
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Node
from workmill.store.sqlite import SqliteStore
from workmill.wire import paths
from workmill.wire.messages import NodeList

NEVER = 1000.0


def seen(running: Running) -> Node | None:
    """The endpoint as its store lists it."""
    listed = msgspec.json.decode(running.http.get(paths.NODES).content, type=NodeList)
    return next((node for node in listed.nodes if node.role == "endpoint"), None)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Node]:
    """Every beat that any store was told."""
    nodes: list[Node] = []
    really = SqliteStore.beat

    def beat(store: SqliteStore, beaten: Sequence[Node]) -> None:
        nodes.extend(beaten)
        really(store, beaten)

    monkeypatch.setattr(SqliteStore, "beat", beat)
    return nodes


def test_an_endpoint_is_listed_with_its_place_and_load(start: Start) -> None:
    """Without any caller's help, within a moment of its start."""
    running = start()
    node = until(lambda: seen(running))
    assert node.serves == f"127.0.0.1:{running.port}"
    assert node.load.resident_bytes > 0
    assert (node.draining, node.leads, node.slots) == (False, 0, 0)
    until(lambda: (now := seen(running)) and now.load.requests_hz > 0)


def test_its_load_is_in_its_metrics(start: Start) -> None:
    """What its last beat said, for whoever scrapes; absent before it, and when it is too old."""
    running = start()
    names = ("loop_lag_seconds", "cpu_cores", "memory_fraction", "disk_fraction")

    def told() -> bool:
        text = running.http.get("/metrics").text
        measured = "workmill_memory_fraction 0.0\n" not in text
        return measured and all(f"# TYPE workmill_{name} gauge" in text for name in names)

    until(told)


def test_the_size_of_the_stores_log_is_in_its_metrics(start: Start, tmp_path: Path) -> None:
    """As it was looked at with a beat, never by whoever scrapes: its disk may hang."""
    log = tmp_path / "log"
    log.write_bytes(bytes(4321))
    running = start(log_file=str(log))
    until(lambda: "workmill_store_log_bytes 4321.0\n" in running.http.get("/metrics").text)


def test_that_it_leaves_is_beaten_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with the next beat: whoever sends it work shall know while the notice lasts."""
    monkeypatch.setattr("workmill.endpoint.heartbeat.BEAT_SECONDS", NEVER)
    running = start(notice_seconds=NEVER)
    until(lambda: seen(running))
    running.stop()
    until(lambda: (node := seen(running)) and node.draining)
    running.stop()
    running.join()


def test_its_last_word_is_that_it_drains(
    start: Start, told: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then its silence is that of one who has left, not of one who has died."""
    monkeypatch.setattr("workmill.endpoint.heartbeat.BEAT_SECONDS", NEVER)
    monkeypatch.setattr("workmill.endpoint.context.Service.leave", lambda _service: None)
    running = start()
    until(lambda: told)
    del told[:]
    running.stop()
    running.join()
    assert [node.draining for node in told] == [True]


def test_a_beat_that_fails_fails_nothing_else(
    start: Start, told: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint stays ready, and beats again when it can."""

    def refused(*_given: Any) -> None:
        tried.append(True)
        raise StoreUnavailable("no beat today")

    tried: list[bool] = []
    monkeypatch.setattr("workmill.endpoint.heartbeat.BEAT_SECONDS", 0.01)
    running = start()
    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "beat", refused)
        until(lambda: len(tried) >= 3)
        readings = running.http.get(paths.STATS)
        assert (readings.status_code, running.http.get("/readyz").status_code) == (200, 200)
    del told[:]
    until(lambda: told)
