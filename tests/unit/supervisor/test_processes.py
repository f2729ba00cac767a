"""What processes say is kept, within bounds."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from workmill.process.oom_score import SUPERVISED
from workmill.supervisor import processes
from workmill.supervisor.processes import Command, LocalProcesses


def sooner_than_we(pid: int) -> int:
    """By how much the kernel would rather end that process."""
    theirs, ours = (
        int(Path(f"/proc/{who}/oom_score_adj").read_text()) for who in (pid, os.getpid())
    )
    return theirs - ours


async def test_a_log_that_is_long_begins_anew_and_the_one_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short one is added to: whoever looks for a reason finds what was said before the death."""
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 10)
    log = tmp_path / "role.log"
    command = Command("role", (sys.executable, "-c", "print('12345')"), log=log)
    started = LocalProcesses()
    for _ in range(3):
        await started.ended(await started.start(command))
    assert log.read_text() == "12345\n"
    assert log.with_name("role.log.old").read_text() == "12345\n12345\n"


async def test_who_is_just_being_started_is_ended_too() -> None:
    """The end of all is the end of those, too, whose start is under way."""
    stubborn = Command("role", (sys.executable, "-c", "import time; time.sleep(600)"))
    started = LocalProcesses()
    starting = asyncio.create_task(started.start(stubborn))
    await asyncio.sleep(0)  # it has begun, and is not on the list yet
    assert started.list() == ()
    await started.kill()
    process = await starting
    assert started.list() == ()
    assert await process.ended() == -signal.SIGKILL


async def test_where_memory_runs_out_who_is_supervised_is_ended_before_the_supervisor() -> None:
    """The end of a supervisor is the end of everything, so it is the last to be taken."""
    started = LocalProcesses()
    process = await started.start(
        Command("role", (sys.executable, "-c", "import time; time.sleep(600)"))
    )
    assert sooner_than_we(process.pid) == SUPERVISED
    await started.kill()


@pytest.mark.parametrize(
    ("refused", "number"),
    [(RuntimeError("can't start new thread"), errno.EAGAIN), (MemoryError(), errno.ENOMEM)],
)
async def test_a_machine_that_refuses_a_thread_or_memory_cannot_start_one(
    monkeypatch: pytest.MonkeyPatch, refused: Exception, number: int
) -> None:
    """asyncio waits for a child in a thread: whoever starts processes meets one kind of error."""

    async def refuses(*_: object, **__: object) -> None:
        raise refused

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuses)
    with pytest.raises(OSError, match=os.strerror(number)):
        await LocalProcesses().start(Command("role", (sys.executable,)))
