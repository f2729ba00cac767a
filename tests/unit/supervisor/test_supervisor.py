"""The supervisor over real processes that do nothing but live, write a line, and die."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from workmill.domain.errors import Conflict, Unavailable
from workmill.process import entry
from workmill.supervisor import deaths, restart_delay
from workmill.supervisor import kept_process as slot_module
from workmill.supervisor import supervisor as supervisor_module
from workmill.supervisor.processes import Command, Death, LocalProcesses
from workmill.supervisor.supervisor import EXIT_DRAINED, EXIT_FAILED, EXIT_KILLED, Stage, Supervisor

START = """
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
role, log = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(word): os.write(log, f"{word} {role} {os.getpid()}\\n".encode())
say("born")
"""
OBEDIENT = START + "signal.sigwait({signal.SIGTERM}); say('drained')"
DYING = START + "sys.exit(7)"
UNNAMED = 40
"""A real-time signal: Python has no name for it."""
STUBBORN = START + "time.sleep(600)"


class Scene:
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

    def service(self, endpoint: Command, workers: Sequence[Command] = ()) -> Supervisor:
        """As `workmill up` has it; the endpoint is ready when it is born."""

        async def ready() -> None:
            await self.seen("born endpoint", 1)

        return Supervisor([Stage(commands=[endpoint], until_ready=ready), Stage(commands=workers)])

    async def play(
        self, supervisor: Supervisor, story: Callable[[], Awaitable[None]] | None = None
    ) -> int:
        """Run the supervisor; when it is ready, the story runs."""
        told: list[asyncio.Task[None]] = []

        async def tell() -> None:
            try:
                await (story() if story else stop())
            except BaseException:
                await stop()
                raise

        code = await supervisor.run(lambda: told.append(asyncio.create_task(tell())))
        await asyncio.gather(*told)
        return code


async def stop() -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "log")


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_workers_drain_before_the_endpoint(scene: Scene) -> None:
    """A stop lets the workers hand back to an endpoint that still runs, and leaves nothing."""
    workers = [scene.command("worker", OBEDIENT)] * 3
    supervisor = scene.service(scene.command("endpoint", OBEDIENT), workers)

    async def story() -> None:
        await scene.seen("born worker", 3)
        await stop()

    assert await scene.play(supervisor, story) == EXIT_DRAINED
    assert [line.split()[1] for line in scene.lines("drained")] == ["worker"] * 3 + ["endpoint"]
    assert all(gone(pid) for pid in scene.pids("born"))


@pytest.mark.parametrize("role", ["worker", "endpoint"])
async def test_the_dead_are_replaced(scene: Scene, role: str) -> None:
    """Whatever is killed is there again, under another pid, as often as it is killed."""
    supervisor = scene.service(
        scene.command("endpoint", OBEDIENT), [scene.command("worker", OBEDIENT)]
    )

    async def story() -> None:
        await scene.seen("born worker", 1)
        for count, number in enumerate((signal.SIGKILL, UNNAMED), start=1):
            os.kill(scene.pids(f"born {role}")[-1], number)
            await scene.seen(f"born {role}", count + 1)
        await stop()

    assert await scene.play(supervisor, story) == EXIT_DRAINED
    assert len(set(scene.pids(f"born {role}"))) == 3
    assert all(gone(pid) for pid in scene.pids("born"))


async def test_a_worker_that_always_dies_is_tried_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad slot neither ends the service nor is given up."""
    monkeypatch.setattr(restart_delay, "MAX_DELAY_SECONDS", 0.01)
    supervisor = scene.service(
        scene.command("endpoint", OBEDIENT), [scene.command("worker", DYING)]
    )

    async def story() -> None:
        await scene.seen("born worker", 5)
        await stop()

    assert await scene.play(supervisor, story) == EXIT_DRAINED
    assert len(scene.lines("born endpoint")) == 1


async def test_a_worker_that_dies_before_this_process_gets_on_ends_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine a death may be heard of first: who waits for nothing was ready by then."""
    keep = slot_module.Slot.keep
    goes_on: list[bool] = []

    async def dead_at_once(slot: slot_module.Slot, may_go_on: Callable[[Death], bool]) -> None:
        if slot.command.role == "worker":
            goes_on.append(may_go_on(Death("exit code 7", 0.0)))
        await keep(slot, may_go_on)

    monkeypatch.setattr(slot_module.Slot, "keep", dead_at_once)
    supervisor = scene.service(
        scene.command("endpoint", OBEDIENT), [scene.command("worker", OBEDIENT)]
    )
    assert await scene.play(supervisor) == EXIT_DRAINED
    assert goes_on == [True]


async def test_an_endpoint_that_cannot_start_ends_the_attempt(scene: Scene) -> None:
    """The person who starts a service with bad settings learns it at once, and no loop begins."""
    supervisor = scene.service(Command("endpoint", (sys.executable, "-c", "raise SystemExit(1)")))
    with pytest.raises(Unavailable, match=r"endpoint ended before it was ready .*exit code 1"):
        await scene.play(supervisor)


async def test_a_refusal_is_told_by_whoever_was_asked(
    scene: Scene, capfd: pytest.CaptureFixture[str]
) -> None:
    """What an endpoint does not accept is the supervisor's error, in the endpoint's words, and
    nothing is logged about it."""
    refuses = "raise Conflict('The directory is taken. Choose another one.')"
    program = f"""
from workmill.domain.errors import Conflict
from workmill.runtime import child_main as child
def play(*_): {refuses}
child._play = play
raise SystemExit(child.main("endpoint", "{{}}"))
"""
    with pytest.raises(Conflict, match=r"^The directory is taken. Choose another one.$"):
        await scene.play(scene.service(Command("endpoint", (sys.executable, "-c", program))))
    assert capfd.readouterr() == ("", "")


async def test_nothing_is_started_any_more_once_all_end(scene: Scene) -> None:
    """A fleet that is still being started when the stop comes leaves no process behind."""
    processes = LocalProcesses()
    starts = [
        asyncio.ensure_future(processes.start(scene.command("worker", OBEDIENT))) for _ in range(9)
    ]
    await starts[0]
    await processes.close()
    there = len(processes.list())
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    assert [isinstance(one, OSError) for one in outcomes] == [False] * there + [True] * (9 - there)
    assert there < 9
    assert len(processes.list()) == there
    await processes.kill()


async def test_a_stop_is_heeded_while_a_stage_still_starts(scene: Scene) -> None:
    """However long it would take to be ready: what is there drains, what comes later never comes,
    and nothing is announced."""
    first = Stage(commands=[scene.command("endpoint", OBEDIENT)], until_ready=asyncio.Event().wait)
    supervisor = Supervisor([first, Stage(commands=[scene.command("worker", OBEDIENT)])])

    async def stop_when_born() -> None:
        await scene.seen("born", 1)
        await stop()

    told: list[str] = []
    stopping = asyncio.create_task(stop_when_born())
    async with asyncio.timeout(60):
        assert await supervisor.run(lambda: told.append("ready")) == EXIT_DRAINED
    await stopping
    assert told == []
    assert [line.split()[1] for line in scene.lines("born")] == ["endpoint"]
    assert len(scene.lines("drained")) == 1


async def test_what_does_not_drain_is_ended(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ignores SIGTERM is ended when its grace is over, and the exit code says so."""
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.05)
    supervisor = scene.service(scene.command("endpoint", STUBBORN))
    assert await scene.play(supervisor) == EXIT_FAILED
    assert all(gone(pid) for pid in scene.pids("born"))


async def test_a_second_ctrl_c_ends_everything_now(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cannot wait for the drain presses again: every child is ended by force."""
    monkeypatch.setattr(entry, "ONE_WISH_SECONDS", 0.0)
    supervisor = scene.service(scene.command("endpoint", STUBBORN))

    async def story() -> None:
        await stop()
        await stop()

    assert await scene.play(supervisor, story) == EXIT_KILLED
    assert all(gone(pid) for pid in scene.pids("born"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
async def test_one_wish_that_arrives_as_several_signals_drains(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A closed terminal sends SIGHUP and so does its shell, a service manager signals a process and
    its group: nobody loses the work in hand by that, however far apart the signals are."""
    monkeypatch.setattr(entry, "ONE_WISH_SECONDS", 0.0)
    supervisor = scene.service(scene.command("endpoint", OBEDIENT))

    async def story() -> None:
        for again in (number, number, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), again)

    assert await scene.play(supervisor, story) == EXIT_DRAINED
    assert len(scene.lines("drained")) == 1


async def test_stages_start_in_order_and_drain_in_reverse(scene: Scene) -> None:
    """A stage begins when the one before is ready, and what it needs drains after it."""
    names = ["store", "balancer", "endpoint"]

    def until_born(name: str) -> Callable[[], Awaitable[None]]:
        return lambda: scene.seen(f"born {name}", 1)

    stages = [
        Stage(commands=[scene.command(name, OBEDIENT)], until_ready=until_born(name))
        for name in names
    ]
    assert await scene.play(Supervisor(stages)) == EXIT_DRAINED
    assert [line.split()[1] for line in scene.lines("born")] == names
    assert [line.split()[1] for line in scene.lines("drained")] == names[::-1]


async def test_a_stage_that_cannot_start_lets_the_others_drain(scene: Scene) -> None:
    """It is said which one, and what was started before has ended as it does at every other end."""
    stages = [
        Stage(
            commands=[scene.command("store", OBEDIENT)],
            until_ready=lambda: scene.seen("born store", 1),
        ),
        Stage(commands=[scene.command("balancer", DYING)], until_ready=asyncio.Event().wait),
        Stage(commands=[scene.command("endpoint", OBEDIENT)]),
    ]
    with pytest.raises(Unavailable, match=r"balancer ended .*exit code 7"):
        await scene.play(Supervisor(stages))
    assert scene.lines("born endpoint") == []
    assert len(scene.lines("drained store")) == 1


async def test_an_end_that_was_asked_for_is_no_death(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is renewed drains, and the next one comes at once however young it was, and is
    there when the renewal is over. A death afterwards is one again."""
    died = asyncio.Event()
    monkeypatch.setattr(deaths, "emit", lambda *_, **__: died.set())
    monkeypatch.setattr(restart_delay, "FIRST_DELAY_SECONDS", 600)
    monkeypatch.setattr(restart_delay, "MAX_DELAY_SECONDS", 600)
    supervisor = scene.service(scene.command("endpoint", OBEDIENT))

    async def story() -> None:
        slot = supervisor.slot("endpoint")
        for count in (1, 2):
            await scene.seen("born endpoint", count)
            before = slot.pid
            assert await slot.renew(60)
            assert slot.pid not in {None, before}
        await scene.seen("born endpoint", 3)
        assert slot.pid == scene.pids("born")[-1]
        assert not died.is_set()
        os.kill(scene.pids("born")[-1], signal.SIGKILL)
        await died.wait()
        await stop()

    assert await scene.play(supervisor, story) == EXIT_DRAINED
    assert len(scene.lines("drained")) == 2


async def test_tending_that_fails_is_said_and_begun_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk for a moment must not leave a fleet that nobody can order about, in silence."""
    monkeypatch.setattr(restart_delay, "FIRST_DELAY_SECONDS", 0.01)
    said: list[str] = []
    monkeypatch.setattr(supervisor_module, "emit", lambda event, **_: said.append(event))
    tends, tended = asyncio.Event(), asyncio.Event()

    async def tend(processes: LocalProcesses) -> None:
        if said.count("up.tending_failed") < 2:
            raise OSError(28, "No space left on device")
        await processes.start(scene.command("worker", OBEDIENT))
        try:
            tends.set()
            await asyncio.Event().wait()
        finally:
            tended.set()

    async def story() -> None:
        await tends.wait()
        await scene.seen("born worker", 1)
        await stop()

    assert await scene.play(Supervisor([Stage(tend=tend)]), story) == EXIT_DRAINED
    assert tended.is_set()
    assert said.count("up.tending_failed") == 2
    assert len(scene.lines("drained worker")) == 1


@pytest.mark.parametrize("long", [True, False])
async def test_who_waits_long_for_a_start_is_told_what_for(
    long: bool, scene: Scene, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with where its log is; and again when it goes on. A quick start says nothing."""
    monkeypatch.setattr(supervisor_module, "LONG_SECONDS", 0.01 if long else 60.0)
    said = ""

    async def ready() -> None:
        nonlocal said
        while long and "up.held_up" not in said:
            await asyncio.sleep(0.01)
            said += capfd.readouterr().err

    store = scene.command("store", OBEDIENT)._replace(log=scene.log.with_name("store.log"))
    stage = Stage(commands=[store], until_ready=ready, waits_for="the store to be in step")
    assert await scene.play(Supervisor([stage])) == EXIT_DRAINED
    said += capfd.readouterr().err
    assert said.count("up.held_up") == said.count("up.went_on") == int(long)
    if long:
        assert "the store to be in step" in said
        assert str(scene.log.parent) in said
