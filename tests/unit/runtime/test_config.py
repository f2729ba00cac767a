"""What a person may set is judged against the machine it is for."""

from __future__ import annotations

import pytest

from workmill.domain.errors import InvalidInput
from workmill.runtime import config
from workmill.runtime.config import MIN_MOST_WORKERS, WORKERS_PER_CORE, check_workers


@pytest.mark.parametrize(("cores", "most"), [(1, MIN_MOST_WORKERS), (64, 64 * WORKERS_PER_CORE)])
def test_more_workers_than_the_machine_can_run_are_refused(
    cores: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand on two cores would keep it busy with nothing but starting them."""
    monkeypatch.setattr(config, "usable_cores", lambda: cores)
    check_workers(most)
    with pytest.raises(InvalidInput, match=rf"Nothing was started. Say at most {most} "):
        check_workers(most + 1)
