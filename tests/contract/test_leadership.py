"""The verb `lead`: one leader at a time, and a token by which its orders are known."""

from __future__ import annotations

from pathlib import Path

from tests.contract.store_drivers import OpenStore, Stand

from workmill.domain.job import Candidacy, Leadership

SECONDS = 10.0


def lead(stand: Stand, candidate: str, seconds: float = SECONDS) -> Leadership:
    with stand.store.group():
        (told,) = stand.store.lead([Candidacy(candidate=candidate, lease_seconds=seconds)])
    return told


def test_of_two_candidates_one_leads(stand: Stand) -> None:
    """The second is told who does, for how long yet, and changes nothing."""
    first = lead(stand, "a")
    assert (first.holder, first.left_seconds) == ("a", SECONDS)
    assert lead(stand, "b") == first
    stand.clock.advance(1.25)
    assert lead(stand, "b").left_seconds == SECONDS - 1.25
    with stand.store.group():
        told = stand.store.lead([Candidacy(candidate=name) for name in "bab"])
    assert {(one.holder, one.token) for one in told} == {("a", first.token)}


def test_a_renewal_keeps_the_token(stand: Stand) -> None:
    """As long as it comes in time, on the store's clock, the term goes on."""
    first = lead(stand, "a")
    for _ in range(5):
        stand.clock.advance(SECONDS - 1)
        again = lead(stand, "a")
        assert (again.holder, again.token) == ("a", first.token)
        assert again.left_seconds == SECONDS


def test_a_term_ends_on_the_stores_clock(stand: Stand) -> None:
    """To the millisecond: not before, and not after."""
    first = lead(stand, "a")
    stand.clock.advance(SECONDS - 0.001)
    assert lead(stand, "b").holder == "a"
    stand.clock.advance(0.001)
    second = lead(stand, "b")
    assert second.holder == "b"
    assert second.token > first.token


def test_a_leader_that_comes_back_late_is_told(stand: Stand) -> None:
    """It was stopped past its lease: somebody else leads, and its own token is too old."""
    first = lead(stand, "a")
    stand.clock.advance(SECONDS)
    second = lead(stand, "b")
    assert lead(stand, "a") == second
    assert second.token > first.token


def test_a_late_renewal_is_a_new_term(stand: Stand) -> None:
    """Nobody took it meanwhile, but somebody might have: orders of the old term are too old."""
    first = lead(stand, "a")
    stand.clock.advance(SECONDS)
    again = lead(stand, "a")
    assert (again.holder, again.token > first.token) == ("a", True)


def test_a_term_can_be_given_up(stand: Stand) -> None:
    """A controller that drains lets the next one lead at once. Only its own term ends."""
    first = lead(stand, "a")
    assert lead(stand, "b", 0.0).holder == "a"
    assert lead(stand, "b").holder == "a"
    lead(stand, "a", 0.0)
    second = lead(stand, "b")
    assert (second.holder, second.token > first.token) == ("b", True)


def test_a_term_outlives_the_endpoint(stand: Stand) -> None:
    """A new owner of the store knows who leads, and no token is given twice."""
    first = lead(stand, "a")
    stand.reopen()
    assert lead(stand, "b").token == first.token
    stand.clock.advance(SECONDS)
    stand.reopen()
    assert lead(stand, "b").token > first.token


def test_a_store_that_begins_anew_gives_no_old_token(
    stand: Stand, open_store: OpenStore, tmp_path: Path
) -> None:
    """The store was lost and a backup is restored elsewhere: a leader that does not know it yet
    still has an older token."""
    lead(stand, "a", 1.0)
    stand.store.backup(tmp_path / "copy")
    for name in "bcdef":
        stand.clock.advance(1)
        last = lead(stand, name, 1.0)
    other = Stand(open_store, tmp_path / "other")
    other.clock.advance(6)
    other.store.restore(tmp_path / "copy")
    assert lead(other, "g").token > last.token
    other.store.close()


def test_a_restore_brings_no_term_back(stand: Stand, tmp_path: Path) -> None:
    """Tokens go on rising: the leader of the day of the backup stays replaced."""
    tokens = [lead(stand, "a").token]
    stand.store.backup(tmp_path / "copy")
    stand.clock.advance(SECONDS)
    tokens.append(lead(stand, "b").token)
    stand.store.restore(tmp_path / "copy")
    after = lead(stand, "a")
    assert (after.holder, after.token) == ("b", tokens[-1])
    stand.clock.advance(SECONDS)
    tokens.append(lead(stand, "c").token)
    assert tokens == sorted(set(tokens))
