"""A host says whether it serves, and a deployment goes on or back by that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.aws.clouds import REGION, Fault, Way
from tests.system.processes import Up

import signalling


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_seconds = 0.0

    def ticks(self) -> float:
        return self.now_seconds

    def sleep(self, seconds: float) -> None:
        self.now_seconds += seconds


def answers(*looks: bool) -> Iterator[bool]:
    yield from looks
    while True:
        yield looks[-1]


@pytest.mark.parametrize(
    ("looks", "steady"),
    [((False, False, True), True), ((False,), False), ((True, True, False) * 200, False)],
    ids=["late", "never", "between two crashes"],
)
def test_only_who_goes_on_serving_serves(looks: tuple[bool, ...], *, steady: bool) -> None:
    """Five good looks running, within ten minutes."""
    time, said = Time(), answers(*looks)
    assert signalling.is_steady(lambda: next(said), time.ticks, time.sleep) is steady
    assert time.now_seconds <= signalling.PATIENCE_SECONDS + signalling.LOOK_SECONDS


def test_an_endpoint_serves_when_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody at its port is no."""
    with Up(tmp_path, workers=0) as up:
        monkeypatch.setattr(signalling, "ENDPOINT_PORT", int(up.url.rpartition(":")[2]))
        assert signalling.endpoint_serves()
    assert not signalling.endpoint_serves()


@pytest.mark.parametrize(("steady", "word"), [(True, "SUCCESS"), (False, "FAILURE")])
def test_the_stack_is_told_which_host_it_is(
    way: Way,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    steady: bool,
    word: str,
) -> None:
    """By its instance id, which is its name. One that does not wait refuses, and that is well."""
    way.faults.append(Fault("SignalResource", 400, "ValidationError"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
    monkeypatch.setattr(socket, "gethostname", lambda: "i-0abc")
    monkeypatch.setattr(signalling, "is_steady", lambda _: steady)
    signalling.main(REGION, "mill", "Endpoints")
    (asked,) = way.actions("SignalResource")
    told = {"StackName": "mill", "LogicalResourceId": "Endpoints", "UniqueId": "i-0abc"}
    assert told.items() <= asked.items()
    assert asked["Status"] == word
    assert "nobody waits" in capsys.readouterr().out
