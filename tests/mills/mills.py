"""A stranger's workload, installed by putting this folder on PYTHONPATH.

`tally` counts iterations. Its states are 8 bytes of an instruction, the first 8 of the data,
and 8 bytes of the count. Most instructions do nothing; the ones below are how tests make
workloads misbehave.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

SLOW_SECONDS = 0.001
"""What one iteration of a slow job takes."""


class Tally:
    """The workload. A count of 0 does nothing at all, whatever the instruction."""

    name = "tally"
    state_bytes = 16
    lanes = 4

    def folding(self) -> TallyFolding:
        return TallyFolding()

    def fold(self, chunks: Iterable[bytes]) -> bytes:
        folding = self.folding()
        for chunk in chunks:
            folding.update(chunk)
        return folding.digest()

    def fold_all(self, bodies: Sequence[bytes | memoryview]) -> list[bytes]:
        return [self.fold([bytes(body)]) for body in bodies]

    def advance(self, states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
        _account(sum(counts))
        slow = [0]
        for state, count in zip(states, counts, strict=True):
            if count and state[:4] == b"slow":
                slow.append(count)
            elif count:
                _obey(state[:8].rstrip(b"\0"))
        time.sleep(max(*slow, sum(slow) / self.lanes) * SLOW_SECONDS)
        return [_moved(state, count) for state, count in zip(states, counts, strict=True)]


class TallyFolding:
    """Keeps the first 8 bytes."""

    def __init__(self) -> None:
        self._head = b""

    def update(self, chunk: bytes, /) -> None:
        self._head = (self._head + chunk[:8])[:8]

    def digest(self) -> bytes:
        return self._head.ljust(8, b"\0") + (1).to_bytes(8, "big")


def _moved(state: bytes, count: int) -> bytes:
    return state[:8] + (int.from_bytes(state[8:], "big") + count).to_bytes(8, "big")


def _obey(instruction: bytes) -> None:
    match instruction:
        case b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case b"segv":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"raise":
            raise ValueError("this one cannot be computed")
        case b"memory":
            raise MemoryError
        case b"print":
            os.write(1, b"a workload may print\n")
        case b"gil":
            _wait_at_the_gate()


def _wait_at_the_gate() -> None:
    """Hold the interpreter lock, say so through the pipe `reached`, and go on once a byte comes
    through the pipe `gate`; both lie in the folder MILLS_GATES. No other thread of this process
    gets in between: the switch interval is raised, and PyDLL keeps the lock during calls."""
    gates = Path(os.environ["MILLS_GATES"])
    reached = os.open(gates / "reached", os.O_WRONLY)
    gate = os.open(gates / "gate", os.O_RDWR)
    libc = ctypes.PyDLL(None)
    sys.setswitchinterval(3600.0)
    libc.write(reached, b".", 1)
    libc.read(gate, ctypes.create_string_buffer(1), 1)
    sys.setswitchinterval(0.005)
    os.close(gate)
    os.close(reached)


def _account(iterations: int) -> None:
    """Write down what is about to be computed, so that a test can tell work done twice."""
    if "MILLS_ACCOUNT" in os.environ:
        with Path(os.environ["MILLS_ACCOUNT"]).open("ab", buffering=0) as account:
            account.write(iterations.to_bytes(8, "big"))


TALLY = Tally()
