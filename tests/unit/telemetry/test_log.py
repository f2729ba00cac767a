"""Every event is one JSON line that says when, who and what; a broken log stops nothing."""

import io
import json
import sys

import pytest

from workmill.telemetry import emit
from workmill.telemetry.log import INCARNATION, describe


def test_an_event_is_one_json_line(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    describe("worker")
    emit("job.buried", level="warning", id="x\ny", attempts=5)
    line = capsysbinary.readouterr().err
    assert line.count(b"\n") == 1
    event = json.loads(line)
    assert event["event"] == "job.buried"
    assert event["level"] == "warning"
    assert (event["role"], event["incarnation"]) == ("worker", INCARNATION)
    assert (event["id"], event["attempts"]) == ("x\ny", 5)
    assert event["at"].endswith("Z")


def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.RawIOBase):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    class Stderr:
        buffer = FullDisk()

    monkeypatch.setattr(sys, "stderr", Stderr())
    emit("disk.full")


def test_a_name_that_is_no_utf8_loses_no_event(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """JSON is UTF-8; a file's name may be any bytes, and stands in many a detail."""
    emit("store.lost", detail="/data/b\udcff is full", restarts=3)
    event = json.loads(capsysbinary.readouterr().err)
    assert (event["detail"], event["restarts"]) == (r"/data/b\xff is full", 3)
