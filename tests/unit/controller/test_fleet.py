"""What any fleet shares: the spread over zones, and who is an orphan."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workmill.controller.fleet import START_SECONDS, Machine, orphans, spread

NOW_MS = 10**12
OLD_MS = NOW_MS - int(START_SECONDS * 1000) - 1


def machine(name: str, started_at_ms: int = OLD_MS, *, stopping: bool = False) -> Machine:
    return Machine(name, "worker", "a", "", started_at_ms, stopping)


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1), st.integers(0, 99))
def test_new_machines_even_zones_out(standing: dict[str, int], count: int) -> None:
    """All are placed, and a zone that gets one is never ahead of another by more than one."""
    share = spread(standing, count)
    assert sum(share.values()) == count
    after = {zone: standing[zone] + share.get(zone, 0) for zone in standing}
    assert all(after[zone] <= min(after.values()) + 1 for zone in share)


def test_an_orphan_is_old_and_silent() -> None:
    """Not one that still starts, drains already, or beats under its id as its host's name."""
    found = orphans(
        [
            machine("i-1"),
            machine("i-2"),
            machine("i-3", NOW_MS - 1000),
            machine("i-4", stopping=True),
        ],
        ["i-2.eu-central-1.compute.internal", "elsewhere"],
        NOW_MS,
    )
    assert [one.id for one in found] == ["i-1"]
