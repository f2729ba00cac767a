"""Whatever a process inherits from a shell, cron, a service manager or a container."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from itertools import chain, combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workmill.process import entry
from workmill.process.entry import (
    MAX_OPEN_FILES,
    ONE_WISH_SECONDS,
    StopWishes,
    raise_file_limit,
)

SHELL_CLOSES = {0: "<&-", 1: ">&-", 2: "2>&-"}
ALL = [list(some) for some in chain.from_iterable(combinations(range(3), n) for n in range(4))]

LOOK = """
import json, os, signal, sys
from workmill.process.entry import enter
enter()
with open(sys.argv[1], "w") as said:
    nulls = [os.path.samestat(os.fstat(n), os.stat(os.devnull)) for n in range(3)]
    print("to standard output", flush=True)
    print("to standard error", file=sys.stderr, flush=True)
    json.dump({
        "descriptor": said.fileno(),
        "nulls": nulls,
        "inherited": [os.get_inheritable(n) for n in range(3)],
        "read": sys.stdin.read(),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "ignored": [int(n) for n in range(1, 32) if signal.getsignal(n) is signal.SIG_IGN],
    }, said)
"""


def look(tmp_path: Path, prefix: str = "", program: str = LOOK, **options: Any) -> Any:
    """What a process says of itself that a shell has started with this before its command."""
    said = tmp_path / "said"
    done = subprocess.run(
        ["sh", "-c", f'{prefix} "$@"', "sh", sys.executable, "-P", "-c", program, str(said)],
        check=True,
        stdin=subprocess.DEVNULL if "<&-" not in prefix else None,
        capture_output=True,
        timeout=60,
        **options,
    )
    assert b"Traceback" not in done.stderr
    return json.loads(said.read_text())


@pytest.mark.parametrize("closed", ALL, ids=str)
def test_closed_descriptors_become_dev_null(tmp_path: Path, closed: list[int]) -> None:
    """No file that is opened later gets the place of an input, an output or an error stream."""
    found = look(tmp_path, f"exec {' '.join(SHELL_CLOSES[one] for one in closed)};")
    assert found["descriptor"] > 2
    assert found["nulls"] == [one == 0 or one in closed for one in range(3)]
    assert found["inherited"] == [True] * 3
    assert found["read"] == ""


def test_signals_that_a_parent_ignores_or_blocks_arrive_again(tmp_path: Path) -> None:
    """A parent that ignores SIGTERM or SIGCHLD makes no child that cannot be stopped, or that
    loses exit statuses. What nohup and a shell's background job ignore stays ignored."""

    def bad_parent() -> None:
        for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})

    found = look(tmp_path, "exec", preexec_fn=bad_parent)
    assert found["blocked"] == []
    assert set(found["ignored"]) == {signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ}


@pytest.mark.parametrize(("soft", "hard", "then"), [(64, 512, 512), (64, 100_000, MAX_OPEN_FILES)])
def test_the_soft_limit_of_files_is_raised(soft: int, hard: int, then: int) -> None:
    """The limit that shells set for programs of the last century is no bound of a service."""
    program = (
        "import resource; from workmill.process.entry import enter; enter(); "
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    hard = min(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    run = subprocess.run(
        [sys.executable, "-P", "-c", program],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert list(map(int, run.stdout.split())) == [min(then, hard), hard]


@pytest.mark.parametrize(
    ("soft", "hard", "then"),
    [
        (64, 512, 512),
        (64, 2 * MAX_OPEN_FILES, MAX_OPEN_FILES),
        (64, resource.RLIM_INFINITY, MAX_OPEN_FILES),
        (2 * MAX_OPEN_FILES, 4 * MAX_OPEN_FILES, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_the_soft_limit_is_raised_to_a_bound_and_never_lowered(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, then: int | None
) -> None:
    """Whatever this machine allows: container runtimes have hard limits of a thousand million."""
    given: list[tuple[int, tuple[int, int]]] = []

    def take(which: int, limit: tuple[int, int]) -> None:
        given.append((which, limit))

    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", take)
    raise_file_limit()
    assert given == ([] if then is None else [(resource.RLIMIT_NOFILE, (then, hard))])


INTERRUPTS = """
import json, signal, sys, threading
from workmill.process import entry
at_start = signal.getsignal(signal.SIGINT)
thread = threading.Thread(target=entry.enter_program)  # changes nothing there
thread.start()
thread.join()
untouched = signal.getsignal(signal.SIGINT) is at_start
entry.enter_program()
found = [signal.getsignal(signal.SIGINT)]
entry.raise_on_interrupt(before=lambda: found.append("first"))
words = {signal.SIG_DFL: "ends", signal.SIG_IGN: "ignored", "first": "first", "raises": "raises"}
try:
    signal.raise_signal(signal.SIGINT)
    found.append(signal.getsignal(signal.SIGINT))
except KeyboardInterrupt:
    found.append("raises")
with open(sys.argv[1], "w") as said:
    stops = [one.name for one in entry.stop_signals()]
    json.dump({"then": [words[one] for one in found], "untouched": untouched, "stops": stops}, said)
"""


@pytest.mark.parametrize("ignored", [(), (signal.SIGINT,), (signal.SIGHUP,)], ids=str)
def test_what_ctrl_c_does_is_ours_to_say_unless_it_is_ignored(
    tmp_path: Path, ignored: tuple[signal.Signals, ...]
) -> None:
    """It ends a program that still imports, without a traceback; later it may raise. What a shell
    or nohup has ignored neither ends nor drains anything."""

    def parent() -> None:
        for number in (signal.SIGUSR1, *ignored):
            signal.signal(number, signal.SIG_IGN)

    found = look(tmp_path, "exec", INTERRUPTS, preexec_fn=parent)
    is_ignored = signal.SIGINT in ignored
    assert found["then"] == (["ignored"] * 2 if is_ignored else ["ends", "first", "raises"])
    assert found["untouched"]
    hangup = [] if signal.SIGHUP in ignored else ["SIGHUP"]
    assert found["stops"] == ["SIGINT", "SIGTERM", *hangup]


@pytest.mark.parametrize(
    "words", [("-m", "workmill", "--version"), (str(Path(sys.executable).with_name("workmill")),)]
)
def test_nothing_is_imported_from_where_it_is_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A directory may hold a file called like a module, and a script's own directory too."""
    for name in ("typer", "queue", "msgspec", "rich"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one was imported')")
    environment = {name: it for name, it in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *words, "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [":", ":/far", "/far:", "/far::/near"])
@pytest.mark.parametrize("words", [("-m", "workmill"), ("-P", "-m", "workmill")], ids=" ".join)
def test_an_empty_item_of_the_import_path_names_no_directory(
    tmp_path: Path, words: tuple[str, ...], path: str
) -> None:
    """`PYTHONPATH=$PYTHONPATH:/far` in a profile, where nothing was set before: Python takes the
    empty item for the current directory, whatever `-P` says."""
    for name in ("typer", "msgspec", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one was imported')")
    done = subprocess.run(
        [sys.executable, *words, "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_directory_that_is_named_on_the_import_path_stays(tmp_path: Path) -> None:
    """Whoever names it, if by `.`, wants it."""
    (tmp_path / "typer.py").write_text("raise SystemExit(77)")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "workmill", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f".{os.pathsep}"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 77


def test_a_directory_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    """A shell may stand in a directory that somebody has removed."""
    place = tmp_path / "gone"
    place.mkdir()
    shell = 'cd "$1" && rmdir "$1" && exec "$2" -m workmill --version'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", str(place), sys.executable],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("first", "cwd", "script", "stays"),
    [
        ("", "here", "elsewhere/run", False),
        ("here", "elsewhere", "here/run", False),
        ("here", "elsewhere", "elsewhere/run", True),
        ("", "root", "elsewhere/run", True),
        ("root", "elsewhere", "root/run", True),
    ],
)
def test_what_python_put_first_goes_and_our_own_place_stays(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    cwd: str,
    script: str,
    *,
    stays: bool,
) -> None:
    """The current directory, or a script's. Where the package itself is, it is found from there."""
    for name in ("here", "elsewhere", "root"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / cwd)
    path = [str(tmp_path / first) if first else "", "the rest"]
    python = SimpleNamespace(
        flags=SimpleNamespace(safe_path=False, ignore_environment=True),
        path=path,
        argv=[str(tmp_path / script)],
    )
    monkeypatch.setattr(entry, "sys", python)
    monkeypatch.setattr(entry, "package_root", (tmp_path / "root").resolve)
    entry.drop_implicit_path()
    assert len(path) == 1 + stays
    assert path[-1] == "the rest"


@pytest.mark.parametrize(
    ("number", "seconds", "heeded"),
    [
        (signal.SIGINT, 0.0, False),  # a wrapper hands on what the terminal has sent us as well
        (signal.SIGINT, ONE_WISH_SECONDS, True),
        (signal.SIGTERM, 60.0, False),
        (signal.SIGHUP, 60.0, False),
    ],
)
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_only_a_later_ctrl_c_is_a_second_wish(
    first: signal.Signals, number: signal.Signals, seconds: float, *, heeded: bool
) -> None:
    """The first stop signal is heeded, whichever it is."""
    now = 0.0
    wishes = StopWishes(lambda: now)
    assert wishes.heeds(first)
    now = seconds
    assert wishes.heeds(number) == heeded
