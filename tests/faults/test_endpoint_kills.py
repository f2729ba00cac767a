"""kill -9 of the endpoint under load, again and again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.load.load import Load
from tests.load.over_http import Sdk
from tests.system.processes import Up

KILLS = 20
MAX_LOAD_BETWEEN_KILLS = 400


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2])
def test_every_acknowledged_job_finishes(tmp_path: Path, seed: int) -> None:
    """However often the endpoint dies: 0 lost, 0 wrong, 0 delivered twice, no manual step."""
    dice = random.Random(seed)
    with Up(tmp_path) as up:
        way = Sdk(up.url)
        with Load([way] * 3, puller=way) as load:
            for _ in range(KILLS):
                load.wait_for(dice.randrange(1, MAX_LOAD_BETWEEN_KILLS))
                up.kill("endpoint")
        outcome = load.outcome()
        print(f"seed {seed}: {KILLS} kills, {outcome}")
        assert outcome.kept, outcome
        assert outcome.acknowledged > KILLS
