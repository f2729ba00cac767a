"""How a process ended, in words for the log."""

from __future__ import annotations

import signal


def exit_text(returncode: int) -> str:
    """`exit code 3` for an exit, `SIGKILL` or `signal 40` for minus a signal's number: Python has
    names for the first and the last of the real-time signals only (signal(7))."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"
