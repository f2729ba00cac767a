"""What every process of ours goes through first, whoever started it.

Theory. A process inherits more than its arguments: descriptors, limits, signal dispositions and an
import path. Shells, cron, service managers and container runtimes differ in all of them. With
standard error closed, for one, the next file that is opened gets descriptor 2, and a log line is
written into it. So each entry (`workmill`, `python -m workmill`, the children) calls `enter` before
it imports what it runs, and from then on all of them are alike.

What a person decides by inheritance stays: the umask, `nohup` (SIGHUP ignored), a shell's
background job (SIGINT and SIGQUIT ignored), and a hard limit.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final

ONE_WISH_SECONDS: Final = 0.25
"""A Ctrl-C so soon after the first signal is the same wish, handed on by whoever wraps us."""
MAX_OPEN_FILES: Final = 65_536
"""Descriptors; the soft limit is raised no further. Some runtimes have a hard limit of a thousand
million, and programs that size their tables by the soft one fail."""
_KEPT_IGNORED: Final = frozenset(
    {
        *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),  # nohup, a shell's background job
        *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),  # a shell's job control
        *(signal.SIGPIPE, signal.SIGXFSZ),  # Python's own: they are errors of write instead
        *(signal.SIGKILL, signal.SIGSTOP),
    }
)
_closed_at_start: Final[set[int]] = set()


def enter() -> None:
    """Prepare this process. The first call does it, in the main thread; others change nothing.

    As process 1 (in a container) this returns in a child: see `init`.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    fill_descriptors()
    raise_file_limit()
    reset_signals()
    if os.getpid() == 1:
        from workmill.process.init import become_init

        become_init()


def enter_program() -> None:
    """`enter` for a program of our own, which imports nothing from where it happens to be run and
    may be ended by Ctrl-C at once, without a traceback, until it says otherwise."""
    drop_implicit_path()
    enter()
    die_on_interrupt()


def was_closed(descriptor: int) -> bool:
    """Whether standard input, output or error (0 to 2) was closed when this process was entered:
    what is written to one that was, nobody reads, and nothing that is read from it was meant."""
    return descriptor in _closed_at_start


def fill_descriptors() -> None:
    """Lead each of the descriptors 0 to 2 that is closed to /dev/null."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _closed_at_start.add(descriptor)
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(descriptor, True)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None and getattr(sys, f"__{name}__") is None:
            stream = open(descriptor, "w" if descriptor else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one, up to `MAX_OPEN_FILES`."""
    with suppress(OSError, ValueError):  # a sandbox may forbid it: it stays as it was
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def reset_signals() -> None:
    """Let every signal arrive that whoever started us has blocked or ignored, but for those that
    a person has ignored by `nohup` or a shell. SIGCHLD ignored would lose every exit status."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - _KEPT_IGNORED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def stop_signals() -> tuple[signal.Signals, ...]:
    """What stops a process that serves; SIGHUP is not among them under `nohup`."""
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    return (signal.SIGINT, signal.SIGTERM, *hangup)


class StopWishes:
    """Tells a person who insists from one wish that arrives as several signals. A terminal that is
    closed sends SIGHUP, and so does its shell; service managers send SIGTERM to a process and to
    its group. None of them wants to lose what a drain saves: only Ctrl-C asks for that."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._first_at: float | None = None

    def heeds(self, number: int) -> bool:
        """Whether this stop signal is a wish of its own: the first one, or a later Ctrl-C."""
        if self._first_at is None:
            self._first_at = self._ticks()
            return True
        return number == signal.SIGINT and self._ticks() - self._first_at >= ONE_WISH_SECONDS


def die_on_interrupt() -> None:
    """From now on Ctrl-C ends this process like SIGTERM: there is nothing to tidy up yet."""
    _on_interrupt(signal.SIG_DFL)


def raise_on_interrupt(before: Callable[[], None]) -> None:
    """From now on Ctrl-C is a KeyboardInterrupt, as it is in any Python program, after `before`."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        before()
        signal.default_int_handler(number, frame)

    _on_interrupt(interrupt)


def _on_interrupt(action: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) in {signal.SIG_DFL, signal.default_int_handler}:
        signal.signal(signal.SIGINT, action)  # type: ignore[arg-type]  # one of those two


def drop_implicit_path() -> None:
    """Take what Python put first on the import path off it: the current directory or that of the
    script, where a file may be called like a module of ours. The package's own place stays."""
    with suppress(OSError):  # the current directory may be gone
        _drop_empty_items()
        if sys.flags.safe_path or not sys.path:
            return
        first = Path(sys.path[0] or os.curdir).resolve()
        implicit = {Path.cwd(), Path(sys.argv[0]).resolve().parent}
        if first in implicit and first != package_root():
            del sys.path[0]


def _drop_empty_items() -> None:
    """An empty item of PYTHONPATH (`$PYTHONPATH:/more`, with nothing set before) is the current
    directory, which nobody has named; `-P` leaves it."""
    items = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    here = Path.cwd()
    if sys.flags.ignore_environment or "" not in items[1:] + items[:-1]:
        return
    named = {Path(item).resolve() for item in items if item} | {package_root()}
    if here not in named:
        sys.path[:] = [entry for entry in sys.path if Path(entry or os.curdir).resolve() != here]


def package_root() -> Path:
    """What is on the import path for `workmill` to be found: a directory, or a zip file."""
    return Path(__file__).resolve().parents[2]
