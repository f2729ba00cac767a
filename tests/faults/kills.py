"""The harness that kills workers: submit work, kill -9 a random worker again and again, count.

Two kinds of work run at once. `sha512` jobs of many lengths show that values are right; `tally`
jobs that take a millisecond an iteration show how much was computed twice, because every
process writes down what it is about to compute.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.load.ledger import Judgement, Ledger
from tests.system.processes import until
from tests.system.roles import Mill, Pace, running_mill
from tests.system.service_definition import advanced

from workmill.client.values import Work

WORKERS = 3
TALLY_LANES = 4
SLOW_HZ = 1000
"""Iterations a second of a slow `tally` job, at most."""
BETWEEN_KILLS_SECONDS = 1.0
SLOW_SHARE = 0.3
FINISH_SECONDS = 240.0


@dataclass(frozen=True)
class Ended:
    """What became of a run."""

    submitted: int
    judgement: Judgement
    kills: int
    computed_again: int


def run(folder: Path, *, seed: int, kills: int, pace: Pace) -> Ended:
    """Load the mill for longer than the kills last, kill, wait for the end, and count."""
    chance = random.Random(seed)
    with running_mill(folder, pace) as mill:
        slow, fast = _work(chance, kills)
        ledger: Ledger[bytes] = Ledger()
        for work, workload in ((slow, "tally"), (fast, "sha512")):
            handles = mill.client.submit_many(list(work), workload=workload)
            ids = [handle.id for handle in handles]
            ledger.acknowledge(workload, ids, list(work.values()))
        for _ in range(WORKERS):
            mill.start_worker()
        for _ in range(kills):
            _kill_one(mill, chance)
        _pull_all(mill, ledger)
        needed = sum(work.iterations - 1 for work in slow)
        return Ended(
            submitted=len(ledger.acknowledged),
            judgement=ledger.judge(bytes.hex),
            kills=kills,
            computed_again=mill.computed() - needed,
        )


def _work(chance: random.Random, kills: int) -> tuple[dict[Work, bytes], dict[Work, bytes]]:
    """One slow job for each lane, and fast ones besides. A slow job is killed again and again,
    and each time waits for its lease to run out: so it is a fraction of the kills long."""
    slow: dict[Work, bytes] = {}
    per_lane = int(kills * BETWEEN_KILLS_SECONDS * SLOW_HZ * SLOW_SHARE)
    for number in range(WORKERS * TALLY_LANES):
        total = per_lane * chance.randint(70, 100) // 100
        data = b"slow%d" % number
        slow[Work(data, total)] = data.ljust(8, b"\0") + total.to_bytes(8, "big")
    fast: dict[Work, bytes] = {}
    for number in range(40 * kills):
        data, total = b"fast%d" % number, chance.choice((1, 10, 100, 5000))
        fast[Work(data, total)] = advanced(data, total)
    return slow, fast


def _kill_one(mill: Mill, chance: random.Random) -> None:
    """Time passes here because it is the fault's own measure: one kill a second."""
    time.sleep(BETWEEN_KILLS_SECONDS)
    victim = chance.choice([worker for worker in mill.workers if worker.alive])
    victim.kill()
    mill.start_worker()


def _pull_all(mill: Mill, ledger: Ledger[bytes]) -> None:
    """All results until no job runs any more and none is waiting."""

    def finished() -> bool:
        ledger.deliver((one.id, one.value.hex()) for one in mill.client.results(top=1000))
        jobs = mill.client.stats().stats.jobs
        return not any(jobs.get(status, 0) for status in ("queued", "leased", "attached", "done"))

    until(finished, FINISH_SECONDS)
