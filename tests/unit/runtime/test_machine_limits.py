"""How many workers are wanted is judged against the machine that they are for."""

from __future__ import annotations

import math

import pytest

from workmill.domain.errors import InvalidInput
from workmill.runtime import machine_limits
from workmill.runtime.machine_limits import (
    MIN_MOST_WORKERS,
    SERVICE_MIB,
    WORKER_MIB,
    WORKERS_PER_CORE,
    check_workers,
    workers_by_itself,
)
from workmill.telemetry.container_limits import Container

ENOUGH_MIB = SERVICE_MIB + 3 * WORKER_MIB


def machine(monkeypatch: pytest.MonkeyPatch, cores: int, limit_bytes: float) -> None:
    monkeypatch.setattr(machine_limits, "usable_cores", lambda: cores)
    monkeypatch.setattr(Container, "limit_bytes", lambda _: limit_bytes)


@pytest.mark.parametrize(("cores", "most"), [(1, MIN_MOST_WORKERS), (64, 64 * WORKERS_PER_CORE)])
def test_more_workers_than_the_machine_can_run_are_refused(
    cores: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand on two cores would keep it busy with nothing but starting them."""
    machine(monkeypatch, cores, math.inf)
    check_workers(1, most)
    with pytest.raises(InvalidInput, match=rf"Nothing was started. Say at most {most} "):
        check_workers(1, most + 1)


def test_less_memory_than_the_least_workers_need_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel would kill them without a word. Those that the load may ask for can wait."""
    machine(monkeypatch, 8, ENOUGH_MIB * 2**20)
    check_workers(3, 16)
    said = f"at least {ENOUGH_MIB + WORKER_MIB} MiB .* {ENOUGH_MIB} MiB are allowed here. Nothing"
    with pytest.raises(InvalidInput, match=said):
        check_workers(4, 16)


@pytest.mark.parametrize(
    ("limit_mib", "workers"),
    [(math.inf, 8), (ENOUGH_MIB, 3), (ENOUGH_MIB - 1, 2), (1, 1)],
)
def test_by_itself_it_takes_a_worker_a_core_as_memory_allows(
    limit_mib: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never none: with too little memory for one, the start is refused in words."""
    machine(monkeypatch, 8, limit_mib * 2**20)
    assert workers_by_itself() == workers
