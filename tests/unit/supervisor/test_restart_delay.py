"""The restart policy."""

from hypothesis import given
from hypothesis import strategies as st

from workmill.supervisor.restart_delay import MAX_DELAY_SECONDS, USEFUL_SECONDS, after_death

DICE = st.floats(0, 1, exclude_max=True)


@given(early_deaths=st.integers(0, 10**6), dice=DICE)
def test_a_useful_life_is_replaced_at_once(early_deaths: int, dice: float) -> None:
    """A process that did some work is replaced without delay and its past forgotten."""
    assert after_death(early_deaths, USEFUL_SECONDS, dice) == (0, 0.0)


@given(early_deaths=st.integers(0, 10**6), lived=st.floats(0, USEFUL_SECONDS - 1e-6), dice=DICE)
def test_never_gives_up_and_never_storms(early_deaths: int, lived: float, dice: float) -> None:
    """However often a process died young there is a next start, after a bounded pause."""
    restart = after_death(early_deaths, lived, dice)
    assert restart.early_deaths == early_deaths + 1
    assert 0 < restart.delay_seconds <= MAX_DELAY_SECONDS


def test_the_pause_doubles_up_to_its_bound() -> None:
    """Early deaths in a row wait longer each time, until the bound."""
    delays = [after_death(n, 0.0, 0.999).delay_seconds for n in range(12)]
    assert delays == sorted(delays)
    assert delays[1] == 2 * delays[0]
    assert delays[-1] == delays[-2] > MAX_DELAY_SECONDS * 0.99


@given(early_deaths=st.integers(0, 100), dice=DICE)
def test_jitter_stays_in_the_upper_half(early_deaths: int, dice: float) -> None:
    """Jitter spreads restarts but never makes them more than twice as frequent."""
    longest = after_death(early_deaths, 0.0, 1.0).delay_seconds
    assert longest / 2 <= after_death(early_deaths, 0.0, dice).delay_seconds <= longest
