"""The command line without a service."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from workmill import __version__
from workmill.cli.console import duration
from workmill.cli.main import main
from workmill.cli.progress import meter
from workmill.cli.roles import Count, count_of


def workmill(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "workmill", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_knows_its_version() -> None:
    """--version is one line on standard output."""
    assert workmill("--version").stdout == f"{__version__}\n"


def test_without_words_it_explains_itself() -> None:
    """No arguments: every command is named, and the exit code says that nothing was done."""
    done = workmill()
    commands = (
        "up cluster restart endpoint worker controller submit job jobs cancel pull status backup "
        "restore doctor demo simulate"
    )
    assert done.returncode == 2
    assert all(f" {command} " in done.stdout + done.stderr for command in commands.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--endpoints", "0:2"), "from 1 to 63"),
        (("--endpoints", "1:64"), "from 1 to 63"),
        (("--port", "65533", "--endpoints", "1:2"), "leaves too few"),
    ],
)
def test_a_cluster_that_has_no_room_is_refused(
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A rolling restart needs one slot of the balancer more, and every endpoint a port; nothing is
    made before that is known."""
    monkeypatch.setattr(sys, "argv", ["workmill", "cluster", "--data", "/proc/no", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_a_service_that_is_away_is_an_error_with_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens on port 1: exit 1, what happened, what to do, nothing on the output."""
    monkeypatch.setattr(sys, "argv", ["workmill", "status", "--url", "http://127.0.0.1:1"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "No endpoint answered" in said.err
    assert "Connection refused. Nothing was asked" in said.err
    assert "Check --url" in said.err
    assert said.out == ""


def test_asking_for_help_loads_nothing_heavy() -> None:
    """The command line starts quickly because each command imports what it needs itself."""
    heavy = {"uvicorn", "httpx", "apsw", "starlette", "workmill.store.sqlite", "multiprocessing"}
    heavy |= {"rich"}
    program = (
        "import sys, workmill.cli.main as m; m._run(['--help']); "
        f"print('loaded:', *{heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_a_worker_does_not_load_the_service() -> None:
    """What a worker process imports holds neither the HTTP service nor the store."""
    program = (
        "import sys, workmill.runtime.child_main, workmill.runtime.composition; "
        "import workmill.worker.worker; "
        "print(*{'uvicorn', 'starlette', 'apsw', 'typer'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_workers_are_a_number_or_two_or_auto() -> None:
    """`--workers` takes what it says, and nothing else."""
    assert (count_of("auto"), count_of("0"), count_of("1:4")) == (Count(), Count(0, 0), Count(1, 4))
    for wrong in ("-1", "1.5", "many", "", "99999", "١", "4:1", "1:", ":4", "1:2:3"):
        with pytest.raises(typer.BadParameter):
            count_of(wrong)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """No 4711.2 s."""
    assert duration(seconds) == words


def test_progress_in_a_pipe_is_a_line_for_each_new_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No bars, no cursor moves, no line for every look."""
    with meter("Job x") as shown:
        for done in range(5):
            shown.show(done, 10, "leased")
        shown.show(10, 10, "done")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Job x: leased, 0 of 10 iterations",
        "Job x: done, 10 of 10 iterations",
    ]
