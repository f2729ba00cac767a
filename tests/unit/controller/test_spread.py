"""How new machines are spread over zones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workmill.controller.fleets.ec2_machines import spread


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 50), min_size=1), st.integers(0, 99))
def test_new_machines_even_zones_out(standing: dict[str, int], count: int) -> None:
    """All are placed, and a zone that gets one is never ahead of another by more than one."""
    share = spread(standing, count)
    assert sum(share.values()) == count
    after = {zone: standing[zone] + share.get(zone, 0) for zone in standing}
    assert all(after[zone] <= min(after.values()) + 1 for zone in share)
