"""The pages for operators describe every failure in full."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("operations", "cluster", "redis", "balancer", "aws", "containers")
TEXT = "\n".join((ROOT / "docs" / f"{page}.md").read_text() for page in PAGES)
HEAD = "failure|what clients see|how it is detected|what the system does|what you do"
FAILURES = (
    # the balancer and its endpoints
    *("an endpoint is killed", "an endpoint falls silent", "an endpoint drains"),
    *("an endpoint is overloaded", "the balancer is killed", "one caller floods"),
    *("the machine with the address is lost", "processor, memory or disk of a machine run out"),
    "one shard of several is unavailable",
    # who watches, and who is watched
    *("the leading controller ends", "the leading controller hangs", "no controller is left"),
    *("controllers reach no endpoint", "more than half of all nodes fall silent"),
    *("a machine that was ordered never comes", "EC2 refuses a machine", "a connection breaks"),
    # no single machine
    *("an endpoint, or its machine, dies", "a whole zone is lost", "the primary dies"),
    *("a replica dies", "one of three Sentinels dies", "two hosts are gone", "all three restart"),
    # workers and their jobs
    *("a worker is killed", "a worker hangs", "a worker's machine is cut off"),
    *("a worker's computing process hangs", "a worker's machine dies", "a job kills its worker"),
)


def rows() -> list[list[str]]:
    """The cells of each row of each table of failures."""
    found, inside = [], False
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            found.append(cells)
        elif "|".join(cells).replace("the balancer does", "the system does") == HEAD:
            inside = True
    return found


def test_every_failure_is_told_in_full() -> None:
    """What its users see, how it is detected, what the system does, and what a person does."""
    told = rows()
    assert len(told) > 50
    for cells in told:
        assert len(cells) == HEAD.count("|") + 1, cells
        assert all(cells), cells


@pytest.mark.parametrize("failure", FAILURES)
def test_what_can_fail_has_its_row(failure: str) -> None:
    """Balancer, controllers, store, machines, workers."""
    assert [cells[0] for cells in rows() if cells[0].startswith(failure)]
