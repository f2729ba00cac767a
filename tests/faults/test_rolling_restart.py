"""`workmill restart` under load: everything is replaced, and nobody notices."""

from __future__ import annotations

import pytest
from tests.load.load import Load
from tests.load.over_http import Sdk
from tests.redis_servers import folder
from tests.system.clusters import Cluster, need_programs
from tests.system.processes import gone

SUBMITTERS = 3
RESTARTS = 3
PATIENCE_SECONDS = 10.0
"""What a caller bears: a step that is not waited for costs more."""


@pytest.mark.faults
def test_a_rolling_restart_is_not_noticed() -> None:
    """Three times over, under load through the SDK: no request fails, nothing is lost, wrong or
    delivered twice, and no process but the supervisor is the one it was."""
    need_programs()
    with folder() as directory, Cluster(directory, workers="2:2") as cluster:
        way = Sdk(cluster.url, patience_seconds=PATIENCE_SECONDS)
        with Load([way] * SUBMITTERS, puller=way) as load:
            load.wait_for(100)
            for number in range(RESTARTS):
                before = cluster.serving()
                steps = cluster.restart()
                print(f"restart {number + 1}:", *steps, sep="\n  ")
                assert all(gone(pid) for pid in before)
            load.wait_for(100)
        outcome = load.outcome()
        print(outcome)
        assert outcome.kept, outcome
        assert outcome.failures("sdk") == 0, outcome
