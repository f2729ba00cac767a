"""Tie a program that knows no lifeline to its supervisor.

Run as `python -m workmill.supervisor.death_signal PID PROGRAM ARGUMENTS`.
The process asks the kernel for SIGTERM when whoever started it dies, however that happens, and
becomes the program. The tie outlasts what the program becomes in its turn.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

from workmill.process.children import python_command
from workmill.process.entry import enter_program
from workmill.supervisor.lifeline import EXIT_ABANDONED

_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


def tied(*words: str) -> tuple[str, ...]:
    """How to run this command tied to the one who starts it."""
    return python_command("workmill.supervisor.death_signal", str(os.getpid()), *words)


def main(supervisor: str, *words: str) -> None:
    """Become the program, or end if the supervisor is gone already."""
    refused = ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM) != 0
    if refused or os.getppid() != int(supervisor):
        sys.exit(EXIT_ABANDONED)
    os.chdir("/")  # where we are may have been removed, which HAProxy does not bear
    os.execvp(words[0], words)  # noqa: S606 - the supervisor's own words


if __name__ == "__main__":
    enter_program()
    main(*sys.argv[1:])
