"""kill -9 of a random worker every second, under load."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.kills import SLOW_HZ, TALLY_LANES, run
from tests.system.roles import Pace

from workmill.domain import limits
from workmill.worker.settings import SLICE_SECONDS


def checked(folder: Path, *, seed: int, kills: int, pace: Pace) -> None:
    """Run, and hold the outcome to what is promised."""
    ended = run(folder, seed=seed, kills=kills, pace=pace)
    print(ended)
    assert ended.judgement == (ended.submitted, 0, 0, 0)
    one_checkpoint = pace.checkpoint_seconds * SLOW_HZ * TALLY_LANES
    assert ended.computed_again <= ended.kills * one_checkpoint


def test_a_short_run_of_kills(tmp_path: Path) -> None:
    """Nothing lost, wrong or delivered twice; at most one checkpoint computed again each."""
    pace = Pace(lease_seconds=2.0, checkpoint_seconds=0.8, slice_seconds=0.1)
    checked(tmp_path, seed=20261122, kills=5, pace=pace)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_minute_of_kills(tmp_path: Path) -> None:
    """The same for a minute, with leases and checkpoints as they are by default."""
    pace = Pace(limits.LEASE_SECONDS, limits.CHECKPOINT_SECONDS, SLICE_SECONDS)
    checked(tmp_path, seed=1, kills=60, pace=pace)
