"""Who answers between two lives of a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from workmill.domain.errors import StoreLost, StoreUnavailable, Unavailable, WorkmillError
from workmill.supervisor import kept_process as slot_module
from workmill.supervisor import restart_delay
from workmill.supervisor.kept_process import Slot
from workmill.supervisor.processes import Command, Death, LocalProcess, LocalProcesses


class Story:
    """Starts that all fail, and the times between them in which callers are answered."""

    def __init__(self, starts: int) -> None:
        self.told: list[str] = []
        self.errors: list[WorkmillError] = []
        self.over = asyncio.Event()
        self._left = starts
        self._answering = False

    def stand_in(self, _fd: int) -> Story:
        return self

    @contextmanager
    def answering(self, error: Callable[[], WorkmillError]) -> Iterator[None]:
        self.told.append("answers")
        self.errors.append(error())
        self._answering = True
        try:
            yield
        finally:
            self._answering = False

    def close(self) -> None:
        self.told.append("closed")

    async def start(self, _command: Command) -> LocalProcess:
        assert not self._answering
        self.told.append("start")
        self._left -= 1
        if not self._left:
            self.over.set()
            await asyncio.Event().wait()
        raise OSError(11, "no more processes")


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    told = Story(starts=4)
    monkeypatch.setattr(slot_module, "StandIn", told.stand_in)
    monkeypatch.setattr(LocalProcesses, "start", told.start)
    monkeypatch.setattr(restart_delay, "FIRST_DELAY_SECONDS", 0.001)
    return told


async def _kept(command: Command, story: Story) -> None:
    keep = asyncio.create_task(Slot(command, LocalProcesses()).keep(lambda _: True))
    await story.over.wait()
    keep.cancel()
    await asyncio.gather(keep, return_exceptions=True)


async def test_from_the_second_early_death_on_callers_are_answered(story: Story) -> None:
    """After the first one they wait: the next life is there in a moment. Before each start
    answering has ended, and with the slot all connections end."""
    await _kept(Command("endpoint", (), pass_fds=(9,), listen_fd=9), story)
    assert story.told == ["start", "start", "answers", "start", "answers", "start", "closed"]
    for deaths, error in zip((2, 3), story.errors, strict=True):
        assert type(error) is Unavailable
        assert error.retry_after_seconds == 1
        assert f"ended {deaths} times in a row" in error.detail
        assert "started again in 1 s" in error.detail
        assert "log" in error.detail


async def test_nobody_answers_for_what_has_no_callers(story: Story) -> None:
    """A worker, a balancer, a controller."""
    await _kept(Command("worker", ()), story)
    assert story.told == ["start"] * 4


@pytest.mark.parametrize(
    ("refusal", "answers"), [(StoreUnavailable("gone"), 2), (StoreLost("gone"), 0), (None, 0)]
)
async def test_a_refusal_that_takes_long_is_none_the_less_one(
    story: Story, monkeypatch: pytest.MonkeyPatch, refusal: WorkmillError | None, answers: int
) -> None:
    """An endpoint that waits seconds for its store before it gives up has served nobody; one that
    has lost its store on the way has."""

    async def life(_slot: Slot) -> Death:
        with suppress(OSError):
            await story.start(Command("endpoint", ()))
        return Death("exit code 1", 7.0, refusal)

    monkeypatch.setattr(Slot, "_one_life", life)
    await _kept(Command("endpoint", (), pass_fds=(9,), listen_fd=9), story)
    assert story.told.count("answers") == answers
