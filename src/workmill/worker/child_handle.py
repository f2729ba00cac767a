"""The parent's handle of the child process: start it, send it tasks, hear from it, end it.

Everything that the child says, and its death as the last word, arrives as an event in one
inbox. `send` never blocks: a thread writes, so a child that has stopped reading cannot hold up
the parent, which is the one that must notice.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import BinaryIO, Final, cast

import msgspec

from workmill.process.children import child_environment, python_command
from workmill.telemetry.error_text import error_text
from workmill.telemetry.exit_text import exit_text
from workmill.worker.child_protocol import (
    SHORT_EXIT,
    Hello,
    Outcome,
    Report,
    Task,
    read_frame,
    write_frame,
)

SHORT_OF: Final = "it had no memory or thread to go on with"
END_SECONDS: Final = 0.5
"""How long a child that was told to end may take before it is killed."""


class Death(msgspec.Struct, frozen=True):
    """The child is gone; `reason` says how, in words for a person."""

    reason: str

    @property
    def may_be_the_machine(self) -> bool:
        """Whether it was ended from outside, or had too little to go on: any process may be."""
        return self.reason in {exit_text(-signal.SIGKILL), SHORT_OF}


class Wake(msgspec.Struct, frozen=True):
    """Something else changed: work arrived, a thread failed, or it is time to stop."""


Event = Hello | Outcome | Death | Wake
Inbox = SimpleQueue[Event]

_COMMAND: Final = python_command("workmill.worker.child_main")


class Lanes:
    """One child at a time. After a `Death`, `start` makes the next."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, for people and tests; None before the first start."""
        return self._child.pid if self._child else None

    def pids(self) -> tuple[int, ...]:
        """The child's process id, if there is a child now."""
        child = self._child
        return (child.pid,) if child and child.returncode is None else ()

    def start(self) -> None:
        """Start a child. Its `Hello` will arrive in the inbox, or its `Death` when this machine
        cannot start one."""
        try:
            child = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
            )
        except OSError as error:
            self._child = None
            self._inbox.put(Death(f"it could not be started: {error_text(error)}"))
            return
        self._child, self._tasks = child, SimpleQueue()
        try:
            for body in (self._write, self._listen):
                threading.Thread(target=body, args=(child, self._tasks), daemon=True).start()
        except RuntimeError as error:  # a thread was refused, so nobody listens
            self._tasks.put(None)
            with child:
                child.kill()
            self._inbox.put(Death(f"its parent has no thread for it: {error}"))

    def send(self, task: Task) -> None:
        """Give the child a task; it takes them in order."""
        self._tasks.put(task)

    def kill(self) -> None:
        """End the child now, whatever it does. Its `Death` will arrive in the inbox."""
        if self._child:
            self._child.kill()

    def close(self) -> None:
        """Let the child end by itself, and see that it does."""
        if self._child:
            self._tasks.put(None)
            try:
                self._child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()

    def _write(self, child: subprocess.Popen[bytes], tasks: SimpleQueue[Task | None]) -> None:
        with suppress(OSError), cast(BinaryIO, child.stdin) as pipe:
            while (task := tasks.get()) is not None:
                write_frame(pipe, task)  # a broken pipe is a death, and `_listen` tells of that

    def _listen(self, child: subprocess.Popen[bytes], tasks: SimpleQueue[Task | None]) -> None:
        decoder = msgspec.msgpack.Decoder(Report)
        try:
            # Bytes that are no report are the end of a child, like no bytes at all.
            with suppress(msgspec.DecodeError), cast(BinaryIO, child.stdout) as pipe:
                while (body := read_frame(pipe)) is not None:
                    self._inbox.put(decoder.decode(body))
        finally:  # whatever ends this thread: who waits for the child must hear of its end
            tasks.put(None)
            child.kill()  # one that lives on without its pipe is of no use
            code = child.wait()
            self._inbox.put(Death(SHORT_OF if code == SHORT_EXIT else exit_text(code)))
