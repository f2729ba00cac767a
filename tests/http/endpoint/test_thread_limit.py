"""An endpoint that serves where no further thread is allowed (a container's pids limit)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.http.endpoint.conftest import Running

from workmill.endpoint.settings import EndpointSettings
from workmill.endpoint.thread_pools import whole_pool
from workmill.wire import codecs


def no_more(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_it_takes_batches_and_makes_backups_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is ready needs no thread that it does not have: several backups at once are given out,
    their copies are gone afterwards, and a batch is stored."""
    callers = whole_pool(6, "callers")
    with Running(tmp_path, EndpointSettings(port=0)) as running:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_more)
            batch = running.http.post(
                "/v1/jobs",
                content=b'{"data":"YWJj","iterations":9}\n',
                headers={"Content-Type": codecs.NDJSON},
            )
            asked = [callers.submit(running.http.get, "/v1/backup") for _ in range(6)]
            copies = [one.result() for one in asked]
        callers.shutdown()
        assert batch.status_code == 200
        assert [one.status_code for one in copies] == [200] * 6
        assert list(tmp_path.glob(".workmill-scratch-*")) == []


def test_a_shortage_inside_a_call_is_not_a_failure_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that is refused is a 503 with what to do, which clients repeat; then it goes on."""
    with Running(tmp_path, EndpointSettings(port=0)) as running:

        def refused(*_: object) -> None:
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr("workmill.endpoint.batch_submit._fold_all", refused)
            reply = running.http.post(
                "/v1/jobs", content=b"{}\n", headers={"Content-Type": codecs.NDJSON}
            )
        assert reply.status_code == 503
        assert "not enough memory" in reply.json()["detail"]
        assert running.submit(b"data")


def test_a_store_that_is_refused_memory_says_so(tmp_path: Path) -> None:
    """The change was taken back, whoever asked is told to come again, and the next one is taken."""
    with Running(tmp_path, EndpointSettings(port=0)) as running:
        running.store.error = MemoryError()
        reply = running.http.put("/enqueue?iterations=3", content=b"data")
        running.store.error = None
        assert reply.status_code == 503
        assert "not enough memory" in reply.json()["detail"]
        assert running.submit(b"data")
