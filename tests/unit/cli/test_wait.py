"""`--wait`: how long it goes on when nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

import pytest

from workmill.cli.wait import follow
from workmill.domain.errors import EndpointUnreachable, StoreDamaged, WorkmillError
from workmill.wire.messages import JobView

if TYPE_CHECKING:
    from workmill import Client

JOB = "01a21f99-2c61-72c6-9012-e89e7256cf51"
VIEW = JobView(
    id=JOB, status="queued", done=0, iterations=2, priority=0, attempts=0, workload="sha512"
)
DONE = JobView(
    id=JOB, status="done", done=2, iterations=2, priority=0, attempts=1, workload="sha512"
)


class Service:
    """Its looks end as they are told; a wait for the result finds nobody."""

    def __init__(self, *looks: JobView | WorkmillError) -> None:
        self.looks = list(looks)

    def job(self, _job_id: str) -> JobView:
        look = self.looks.pop(0)
        if isinstance(look, WorkmillError):
            raise look
        return look

    def result(self, _job_id: str, timeout_seconds: float) -> NoReturn:
        raise EndpointUnreachable(f"nobody for {timeout_seconds} s")


def test_a_wait_outlasts_an_endpoint_that_is_replaced() -> None:
    """The patience is that of the look, as of every command, and not that of the short wait."""
    assert follow(cast("Client", Service(VIEW, VIEW, DONE)), JOB) is DONE


@pytest.mark.parametrize("end", [EndpointUnreachable("a stranger"), StoreDamaged("gone")])
def test_who_gives_up_says_how_to_come_back(
    end: WorkmillError, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the look itself has ended in vain, or says what lasts."""
    with pytest.raises(type(end)):
        follow(cast("Client", Service(VIEW, end)), JOB)
    assert f"workmill job {JOB} --wait" in capsys.readouterr().err
