"""What a session says of a store that has gone back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.store.redis.link_port import Link
from workmill.store.redis.session import RETRY_SECONDS, Session


class Older:
    """A link whose store goes back in the middle of the second group."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, *_: Any, writes: bool) -> Any:
        assert isinstance(writes, bool)
        self.calls += 1
        if self.calls == 3:
            raise StoreDamaged("It is an older copy.", behind_ms=50)
        return b"identity", False, 0

    def confirm(self) -> None:
        """All stands."""


@pytest.mark.parametrize(("heals_ms", "named"), [(100, RETRY_SECONDS), (0, None)])
def test_a_loss_that_the_next_group_makes_up_for_names_a_time(
    heals_ms: int, named: float | None
) -> None:
    """The group that met it may not be confirmed; clients repeat it when repeating helps only."""
    session = Session(lambda: cast("Link", Older()), heals_ms=heals_ms)

    def met() -> None:
        with session.group():
            session._write("probe")
            session._write("probe")

    with pytest.raises(StoreDamaged) as told:
        met()
    assert told.value.retry_after_seconds == named


def test_a_store_is_not_carried_over_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child would read each other's answers on one connection."""
    link = Older()
    session = Session(lambda: cast("Link", link))
    monkeypatch.setattr("workmill.store.redis.session.os.getpid", lambda: 0)
    with pytest.raises(StoreUnavailable, match="open it in the child"), session.group():
        session._write("probe")
    assert link.calls == 1
