"""The judge of the fault runs sees every kind of broken promise."""

from tests.faults.ledger import Judgement, Ledger
from tests.system.definition import value_of


def test_each_broken_promise_is_seen() -> None:
    """A lost job, a wrong value and a second delivery are each counted as what they are."""
    ledger = Ledger(acknowledged={name: (name.encode(), 3) for name in "abcd"})
    ledger.delivered = [(name, value_of(name.encode(), 3)) for name in "aac"] + [("d", "0" * 128)]
    assert ledger.judge() == Judgement(right=2, wrong=1, lost=1, twice=1)
