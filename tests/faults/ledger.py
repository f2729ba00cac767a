"""What was acknowledged, what was delivered, and what that says about the service."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.system.definition import value_of


class Judgement(NamedTuple):
    """How many jobs went which way; a service that keeps its promises has only right ones."""

    right: int
    wrong: int
    lost: int
    twice: int


@dataclass
class Ledger:
    """Filled by those who submit and by those who pull; judged at the end."""

    acknowledged: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    delivered: list[tuple[str, str]] = field(default_factory=list)

    def judge(self) -> Judgement:
        """Every acknowledged job must be delivered, once, with the value of its definition."""
        values = dict(self.delivered)
        expected = {job: value_of(*work) for job, work in self.acknowledged.items()}
        wrong = sum(values.get(job, value) != value for job, value in expected.items())
        lost = len(expected.keys() - values.keys())
        twice = sum(count > 1 for count in Counter(job for job, _ in self.delivered).values())
        return Judgement(len(expected) - wrong - lost, wrong, lost, twice)
