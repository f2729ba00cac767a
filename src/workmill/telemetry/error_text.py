"""What an error of the system says, in words for a person; numbers of errors are none."""

from __future__ import annotations

import errno
import os
from typing import Final

from workmill.domain.errors import Unavailable

_NO_THREAD: Final = "can't start new thread"
"""All that Python says when the kernel refuses a thread: a RuntimeError with these words."""


def error_text(error: OSError) -> str:
    """`No space left on device: /data/x`, without the number that Python puts before it."""
    said = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.EAGAIN:  # of fork(2): a limit was reached, which its words hide
        said = "no more processes and threads are allowed here"
    where = [os.fsdecode(one) for one in (error.filename,) if isinstance(one, str | bytes)]
    return ": ".join([said, *where])


def shortage(error: BaseException) -> Unavailable | None:
    """What this machine has too little of to run a process, if that is what the error says."""
    if isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    ):
        return Unavailable(
            "There is not enough memory for this process. What is stored is kept. Free some, or "
            "raise its limit (ulimit -v, the container's memory)."
        )
    if (isinstance(error, RuntimeError) and _NO_THREAD in str(error)) or isinstance(
        error, BlockingIOError
    ):
        return Unavailable(
            "No more processes and threads are allowed here. What is stored is kept. Raise the "
            "limit (ulimit -u, the container's pids limit, systemd's TasksMax), or start fewer "
            "workers."
        )
    return None
