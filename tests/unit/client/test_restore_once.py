"""A restore whose reply was lost is not sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from workmill.client.operations import COPY_SECONDS, Operations
from workmill.client.steps import Reply, Request, Steps
from workmill.domain.errors import EndpointUnreachable, Unavailable


@pytest.fixture
def restoring(tmp_path: Path) -> Steps[None]:
    """One by a client that would be patient for a day, as far as its request."""
    file = tmp_path / "backup"
    file.write_bytes(b"a backup")
    steps = Operations(86_400.0).restore(file)
    assert isinstance(next(steps), Request)
    return steps


def test_a_lost_reply_ends_it(restoring: Steps[None]) -> None:
    """It may have been carried out, and others have been told since that their jobs are kept."""
    with pytest.raises(EndpointUnreachable):
        restoring.throw(EndpointUnreachable("The reply was lost."))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_so_does_a_reply_that_leaves_it_open(restoring: Steps[None], status: int) -> None:
    """A balancer in between does not know either."""
    with pytest.raises(Unavailable):
        restoring.send(Reply(status))


def test_it_has_all_the_time_that_a_copy_takes(tmp_path: Path) -> None:
    """What is sent once must not be cut off early: nobody would know how it ended."""
    (tmp_path / "backup").write_bytes(b"a backup")
    asked = next(Operations(30.0).restore(tmp_path / "backup"))
    assert asked.timeout_seconds == COPY_SECONDS
