"""kill -9 of one part of a store under load, again and again, while the other part goes on.

A whole service over two servers. In every round one of them, by lot, is killed; it is started again
only when the service has finished some jobs without it.
"""

from __future__ import annotations

import random
import statistics
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.load.ledger import Outcome
from tests.load.load import Load
from tests.load.over_http import Sdk
from tests.redis_servers import RedisServer, running_redis
from tests.system.processes import Up, until

from workmill import Client

ROUNDS = 20
MAX_LOAD_BETWEEN = 200
FINISHED_MEANWHILE = 20
SUBMIT_SECONDS = 0.3
"""A submitter that waited for the part that is away would not try the other one."""


def killed(
    folder: Path, *, seed: int, rounds: int, receipt_seconds: float
) -> tuple[Outcome, list[int]]:
    """Kill one part so often; what became of the load, and for each outage the jobs finished
    within it."""
    dice = random.Random(seed)
    meanwhile = []
    with ExitStack() as stack:
        parts = [stack.enter_context(running_redis(folder / f"part{n}")) for n in range(2)]
        words = [word for part in parts for word in ("--store", str(part.address))]
        up = stack.enter_context(Up(folder / "up", *words))
        client = stack.enter_context(up.client())
        way = Sdk(up.url, receipt_seconds=receipt_seconds, patience_seconds=SUBMIT_SECONDS)
        with Load([way] * 3, puller=way) as load:
            for _ in range(rounds):
                load.wait_for(dice.randrange(1, MAX_LOAD_BETWEEN))
                meanwhile.append(_finished_without(dice.choice(parts), client))
        outcome = load.outcome()
    print(
        f"one part of two killed, seed {seed}, {rounds} rounds: {outcome}, jobs finished "
        f"in an outage {min(meanwhile)} to {max(meanwhile)}, median {statistics.median(meanwhile)}"
    )
    return outcome, meanwhile


def _finished_without(part: RedisServer, client: Client) -> int:
    """Jobs that the service has finished between the loss of a part and its return. What the
    service says of a part that is away does not change."""
    part.kill()
    until(lambda: client.stats().stats.unavailable)
    before = client.stats().stats.completed_total
    until(lambda: client.stats().stats.completed_total >= before + FINISHED_MEANWHILE)
    finished = client.stats().stats.completed_total - before
    part.start()
    until(lambda: not client.stats().stats.unavailable)
    return finished


def test_the_other_part_goes_on(tmp_path: Path) -> None:
    """Two outages: nothing acknowledged is lost, wrong or delivered twice, and jobs are finished
    meanwhile."""
    outcome, meanwhile = killed(tmp_path, seed=1, rounds=2, receipt_seconds=6.0)
    assert outcome.kept, outcome
    assert min(meanwhile) >= FINISHED_MEANWHILE


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_acknowledged_job_is_delivered_once(tmp_path: Path, seed: int) -> None:
    """However often a part dies: 0 lost, 0 wrong, 0 twice, and the other's work never stops."""
    outcome, meanwhile = killed(tmp_path, seed=seed, rounds=ROUNDS, receipt_seconds=30.0)
    assert outcome.kept, outcome
    assert min(meanwhile) >= FINISHED_MEANWHILE
