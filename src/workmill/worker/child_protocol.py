"""What parent and child say to each other: MessagePack frames over two pipes.

A frame is its length (4 bytes, big-endian) and that many bytes. The child speaks first, with a
`Hello`; then each `Task` is answered by one `Outcome`, in order and with its number. End of file on
the child's standard input means "end now"; end of file on its output means that it is dead.
"""

from __future__ import annotations

from typing import BinaryIO, Final

import msgspec

MAX_FRAME_BYTES: Final = 256 * 1024 * 1024
SHORT_EXIT: Final = 75
"""What a child exits with that had no memory or thread to go on: EX_TEMPFAIL of sysexits.h."""
_LENGTH_BYTES: Final = 4


class Profile(msgspec.Struct, frozen=True):
    """What the parent must know of a workload: chains moved at once, bytes in a state."""

    lanes: int
    state_bytes: int


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The child is ready. `broken` says why a workload that is installed cannot be loaded."""

    workloads: dict[str, Profile]
    broken: dict[str, str] = {}


class Task(msgspec.Struct, frozen=True):
    """One slice: each state to be moved on by its count."""

    seq: int
    workload: str
    states: list[bytes]
    counts: list[int]


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """The states after the slice, in order, or the error that the workload raised instead."""

    seq: int
    elapsed_seconds: float
    states: list[bytes] = []
    error: str | None = None

    def answers(self, task: Task) -> bool:
        """Whether this can be what became of that task: asked last, as many states, each of the
        size it had."""
        if self.seq != task.seq or not self.elapsed_seconds >= 0.0:
            return False
        return self.error is not None or [*map(len, self.states)] == [*map(len, task.states)]


Report = Hello | Outcome

_encoder = msgspec.msgpack.Encoder()


def write_frame(stream: BinaryIO, message: msgspec.Struct) -> None:
    """Write one frame and flush it. Raises OSError when the other side is gone."""
    body = _encoder.encode(message)
    stream.write(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame's body, or None when the other side is gone, in mid-frame or between."""
    head = stream.read(_LENGTH_BYTES)
    length = int.from_bytes(head, "big")
    if len(head) < _LENGTH_BYTES or length > MAX_FRAME_BYTES:
        return None
    body = stream.read(length)
    return body if len(body) == length else None
