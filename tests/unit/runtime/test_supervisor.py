"""The supervisor over real processes that do nothing but live, write a line, and die."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from workmill.runtime import restarts
from workmill.runtime import supervisor as supervisor_module
from workmill.runtime.processes import Command
from workmill.runtime.supervisor import EXIT_DRAINED, EXIT_FAILED, EXIT_KILLED, Supervisor

START = """
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
role, log = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(word): os.write(log, f"{word} {role} {os.getpid()}\\n".encode())
say("born")
"""
OBEDIENT = START + "signal.sigwait({signal.SIGTERM}); say('drained')"
DYING = START + "sys.exit(7)"
STUBBORN = START + "time.sleep(600)"


class Stage:
    """Commands that all write to one log, and what can be read there."""

    def __init__(self, log: Path) -> None:
        self.log = log
        log.touch()

    def command(self, role: str, program: str) -> Command:
        return Command(role, (sys.executable, "-c", program, role, str(self.log)))

    def lines(self, word: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(word)]

    def pids(self, word: str) -> list[int]:
        return [int(line.split()[2]) for line in self.lines(word)]

    async def seen(self, word: str, count: int) -> None:
        while len(self.lines(word)) < count:  # noqa: ASYNC110 - a file sends no event
            await asyncio.sleep(0.01)

    async def play(
        self, supervisor: Supervisor, story: Callable[[], Awaitable[None]] | None = None
    ) -> int:
        """Run the supervisor; it is ready when its endpoint is born, and then the story runs."""
        told: list[asyncio.Task[None]] = []

        async def tell() -> None:
            try:
                await (story() if story else stop())
            except BaseException:
                await stop()
                raise

        async def ready() -> None:
            await self.seen("born endpoint", 1)

        code = await supervisor.run(ready, lambda: told.append(asyncio.create_task(tell())))
        await asyncio.gather(*told)
        return code


async def stop() -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "log")


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_workers_drain_before_the_endpoint(stage: Stage) -> None:
    """A stop lets the workers hand back to an endpoint that still runs, and leaves nothing."""
    workers = [stage.command("worker", OBEDIENT)] * 3
    supervisor = Supervisor(stage.command("endpoint", OBEDIENT), workers)

    async def story() -> None:
        await stage.seen("born worker", 3)
        await stop()

    assert await stage.play(supervisor, story) == EXIT_DRAINED
    assert [line.split()[1] for line in stage.lines("drained")] == ["worker"] * 3 + ["endpoint"]
    assert all(gone(pid) for pid in stage.pids("born"))


@pytest.mark.parametrize("role", ["worker", "endpoint"])
async def test_the_dead_are_replaced(stage: Stage, role: str) -> None:
    """Whatever is killed is there again, under another pid, as often as it is killed."""
    supervisor = Supervisor(
        stage.command("endpoint", OBEDIENT), [stage.command("worker", OBEDIENT)]
    )

    async def story() -> None:
        await stage.seen("born worker", 1)
        for count in (1, 2):
            os.kill(stage.pids(f"born {role}")[-1], signal.SIGKILL)
            await stage.seen(f"born {role}", count + 1)
        await stop()

    assert await stage.play(supervisor, story) == EXIT_DRAINED
    assert len(set(stage.pids(f"born {role}"))) == 3
    assert all(gone(pid) for pid in stage.pids("born"))


async def test_a_worker_that_always_dies_is_tried_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad slot neither ends the service nor is given up."""
    monkeypatch.setattr(restarts, "MAX_DELAY_SECONDS", 0.01)
    supervisor = Supervisor(stage.command("endpoint", OBEDIENT), [stage.command("worker", DYING)])

    async def story() -> None:
        await stage.seen("born worker", 5)
        await stop()

    assert await stage.play(supervisor, story) == EXIT_DRAINED
    assert len(stage.lines("born endpoint")) == 1


async def test_an_endpoint_that_cannot_start_ends_the_attempt(stage: Stage) -> None:
    """The person who starts a service with bad settings learns it at once: no loop, exit 1."""
    supervisor = Supervisor(Command("endpoint", (sys.executable, "-c", "raise SystemExit(1)")), [])
    assert await stage.play(supervisor) == EXIT_FAILED


async def test_what_does_not_drain_is_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ignores SIGTERM is ended when its grace is over, and the exit code says so."""
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.05)
    supervisor = Supervisor(stage.command("endpoint", STUBBORN), [])
    assert await stage.play(supervisor) == EXIT_FAILED
    assert all(gone(pid) for pid in stage.pids("born"))


async def test_a_second_ctrl_c_ends_everything_now(stage: Stage) -> None:
    """Whoever cannot wait for the drain presses again: every child is ended by force."""
    supervisor = Supervisor(stage.command("endpoint", STUBBORN), [])

    async def story() -> None:
        await stop()
        await stop()

    assert await stage.play(supervisor, story) == EXIT_KILLED
    assert all(gone(pid) for pid in stage.pids("born"))
