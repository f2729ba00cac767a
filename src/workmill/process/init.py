"""Process 1 of a container, or of any process namespace.

Theory. Whatever loses its parent becomes a child of process 1, which has to wait for it: otherwise
it stays a zombie for ever. A program that waits for children of its own must not wait for any
child, or it takes exit statuses from itself. So process 1 splits: it stays as small as it is at
this point, waits for everybody, and hands signals on; its child is the program, in a process group
of its own and with the terminal, so that a Ctrl-C reaches it once. The kernel gives process 1 no
default action for a signal either, and its child has them.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from typing import Final

_SET_CHILD_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_HERE: Final = frozenset(
    {
        *(signal.SIGKILL, signal.SIGSTOP),  # nobody can catch them
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT),
        *(signal.SIGTTIN, signal.SIGTTOU),
    }
)
"""Signals that are about process 1 itself."""


def become_init() -> None:
    """Return in a child; here, wait until it ends and end as it did."""
    handled = frozenset(signal.valid_signals() - _HERE)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    child = os.fork()
    if child:
        os._exit(_tend(child, handled))
    _lead_a_group()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_orphans() -> None:
    """Let orphans below this process go to process 1, which waits for them. A parent that became
    this program may have had them come here (PR_SET_CHILD_SUBREAPER), where nobody would."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 0)


def _lead_a_group() -> None:
    """Get a group of our own, and the terminal, when there is one."""
    with suppress(OSError):
        os.setpgid(0, 0)
    ignored = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # or taking the terminal stops us
    with suppress(OSError):
        os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, ignored)


def _tend(child: int, handled: frozenset[signal.Signals]) -> int:
    """Reap and hand signals on until the child ends; its exit code, as a shell counts it."""
    while True:
        number = signal.sigwait(handled)
        if number != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                os.kill(child, number)
            continue
        for pid, status in _reaped():
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def _reaped() -> list[tuple[int, int]]:
    """Everybody who has ended, with its status. Several may share one SIGCHLD."""
    ended = []
    with suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(one)
    return ended
