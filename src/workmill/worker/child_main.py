"""The child process: compute slices that arrive on standard input, and nothing else.

It knows no job, no lease and no endpoint. A thread reads ahead, so that the next slice is at
hand when one ends, and so that the end of the input (the parent closed it, or died) ends this
process at once, even in the middle of a slice: nothing here is worth keeping, the parent holds
the last checkpoints. Signals meant for the whole process group (Ctrl-C, a closed terminal, a
service manager's SIGTERM) are ignored for the same reason: the parent decides.

Whatever a workload prints must not fall between the frames, so the real standard output is
put aside at the start and descriptor 1 leads to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import BinaryIO, Final, NoReturn

import msgspec

from workmill.domain.limits import MAX_REASON_CHARACTERS, MAX_STATE_BYTES
from workmill.process.entry import enter_program
from workmill.process.oom_score import COMPUTES, end_sooner
from workmill.telemetry.error_text import shortage
from workmill.telemetry.log import emit, start_log
from workmill.telemetry.log_output import flush_output
from workmill.worker.child_protocol import (
    SHORT_EXIT,
    Hello,
    Outcome,
    Profile,
    Task,
    read_frame,
    write_frame,
)
from workmill.workloads.port import Workload
from workmill.workloads.registry import find_workload, workload_names

NICENESS: Final = 5
"""Computing gives way to whoever else is on the machine: the endpoint and the heartbeats need
little, but that little at once. On an otherwise idle machine this costs nothing."""

PRINTS_SECONDS: Final = 0.2
"""How long, at the end, what a workload has printed may take to be written."""
MAX_LANES: Final = 1024
"""More chains at once than this the parent does not plan for."""


def main() -> None:
    """Serve until the input ends. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reports = _private_output()
    try:
        _serve(reports)
    except BrokenPipeError:
        _end()
    except (RuntimeError, OSError, MemoryError) as error:
        if (told := shortage(error)) is None:
            raise
        emit("compute.refused", level="error", detail=told.detail)
        _end(SHORT_EXIT)


def _serve(reports: BinaryIO) -> NoReturn:
    start_log("compute")  # a workload that prints much is not held up by who reads it
    os.nice(NICENESS)
    end_sooner(COMPUTES)
    tasks: SimpleQueue[Task] = SimpleQueue()
    threading.Thread(target=_read_ahead, args=(tasks,), daemon=True).start()
    write_frame(reports, _hello())  # the last of the start: who says hello can compute
    while True:
        write_frame(reports, _outcome(tasks.get()))


def _private_output() -> BinaryIO:
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return reports


def _read_ahead(tasks: SimpleQueue[Task]) -> None:
    decoder = msgspec.msgpack.Decoder(Task)
    while (body := read_frame(sys.stdin.buffer)) is not None:
        tasks.put(decoder.decode(body))
    _end()


def _end(code: int = 0) -> NoReturn:
    flush_output(PRINTS_SECONDS)
    os._exit(code)


def _hello() -> Hello:
    workloads: dict[str, Profile] = {}
    broken: dict[str, str] = {}
    for name in workload_names():
        try:
            workload = find_workload(name)
            workloads[name] = _profile(workload)
        except Exception as error:  # a stranger's code may raise anything
            if shortage(error) is not None:
                raise  # it is not the workload that is broken
            broken[name] = _said(error)
    return Hello(workloads, broken)


def _profile(workload: Workload) -> Profile:
    """What the parent plans by: a stranger's figures are bounded here."""
    lanes, state_bytes = int(workload.lanes), int(workload.state_bytes)
    if not 1 <= state_bytes <= MAX_STATE_BYTES:
        raise ValueError(f"its states have {state_bytes} bytes, not 1 to {MAX_STATE_BYTES}")
    return Profile(min(max(1, lanes), MAX_LANES), state_bytes)


def _outcome(task: Task) -> Outcome:
    """Run one slice. Elapsed time is wall time: it is what the next slice will take as well."""
    began = time.perf_counter()
    try:
        states = _advanced(task)
    except Exception as error:  # a stranger's code may raise anything
        if shortage(error) is not None:
            raise  # it ends this process: what becomes of the next one shows whose fault it is
        return Outcome(task.seq, time.perf_counter() - began, error=_said(error))
    return Outcome(task.seq, time.perf_counter() - began, states)


def _advanced(task: Task) -> list[bytes]:
    workload = find_workload(task.workload)
    states = workload.advance(task.states, task.counts)
    lengths = {len(state) for state in states}
    if len(states) != len(task.states) or not lengths <= {workload.state_bytes}:
        raise ValueError(
            f"advance() gave {len(states)} states of {sorted(lengths)} bytes for "
            f"{len(task.states)} states of {workload.state_bytes} bytes"
        )
    return states


def _said(error: Exception) -> str:
    """In words that fit into a frame, whatever the error holds."""
    words = f"{type(error).__name__}: {error}"[:MAX_REASON_CHARACTERS]
    return words.encode(errors="backslashreplace").decode()


if __name__ == "__main__":
    enter_program()
    main()
