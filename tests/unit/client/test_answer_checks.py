"""An answer that does not fit its question is refused, and never handed on."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from workmill.client import answer_checks
from workmill.domain.errors import WorkmillError
from workmill.wire.messages import CompatibleResult, JobList, PulledResults

IDS = [f"01890000-0000-7000-8000-{number:012}" for number in range(3)]


class Said(NamedTuple):
    """An answer about one job."""

    id: str
    value: str | None = None


def test_answers_that_fit_are_taken() -> None:
    """With a value or without."""
    told = [Said(IDS[0], "00ff"), Said(IDS[1]), Said(IDS[2])]
    assert answer_checks.about_all(IDS, told) == told
    assert answer_checks.about(IDS[0], told[0]) is told[0]


@pytest.mark.parametrize(
    "told",
    [
        [],
        [Said(one) for one in IDS[:2]],
        [Said(one) for one in [*IDS, IDS[0]]],
        [Said(one) for one in reversed(IDS)],
        [Said(IDS[0]), Said(IDS[0]), Said(IDS[2])],
        [Said(IDS[0]), Said("another"), Said(IDS[2])],
        [Said(IDS[0]), Said(IDS[1]), Said(IDS[2], "no digits")],
        [Said(IDS[0]), Said(IDS[1]), Said(IDS[2], "")],
    ],
    ids=["none", "fewer", "more", "other order", "one twice", "a stranger", "no value", "empty"],
)
def test_many_answers_are_one_for_each_in_order(told: list[Said]) -> None:
    """Otherwise one caller's job would have the value of another's."""
    with pytest.raises(WorkmillError):
        answer_checks.about_all(IDS, told)


@pytest.mark.parametrize("told", [Said(IDS[1]), Said(IDS[0], "no digits"), Said(IDS[0], "")])
def test_one_answer_is_about_its_job(told: Said) -> None:
    """And its value is one."""
    with pytest.raises(WorkmillError):
        answer_checks.about(IDS[0], told)


def test_nobody_gets_more_than_was_asked_or_what_cannot_be_acknowledged() -> None:
    """Nor values that are none."""

    def told(count: int, receipt: str | None, value: str = "00") -> PulledResults:
        results = [CompatibleResult(id=one, value=value) for one in IDS[:count]]
        return PulledResults(results=results, receipt=receipt)

    assert len(answer_checks.pulled(3, told(3, "r")).results) == 3
    for reply in (told(3, "r"), told(2, None), told(1, "")):
        with pytest.raises(WorkmillError):
            answer_checks.pulled(2, reply)
    with pytest.raises(WorkmillError, match="no value"):
        answer_checks.pulled(3, told(1, "r", "no digits"))


def test_the_same_page_again_is_the_end() -> None:
    """A listing that turns in a circle would never end."""
    page = JobList(jobs=[], next_after=7)
    assert answer_checks.page_after(9, page) is page
    assert answer_checks.page_after(None, JobList(jobs=[], next_after=None)).next_after is None
    with pytest.raises(WorkmillError, match="does not lie behind"):
        answer_checks.page_after(7, page)
