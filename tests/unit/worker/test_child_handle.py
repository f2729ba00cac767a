"""The child process and the parent's handle of it, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import psutil
import pytest
from tests.system.processes import until
from tests.unit.worker.conftest import TEST_SECONDS, Gates

from workmill.process.oom_score import COMPUTES
from workmill.worker.child_handle import SHORT_OF, Death, Event, Inbox, Lanes
from workmill.worker.child_protocol import SHORT_EXIT, Hello, Outcome, Profile, Task


class Child:
    """A child with its inbox, past its hello."""

    def __init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.lanes = Lanes(self.inbox)
        self.lanes.start()
        self.hello = self.next()

    def next(self) -> Event:
        """The next thing it says."""
        return self.inbox.get(timeout=TEST_SECONDS)

    def send(self, seq: int, instruction: bytes, *counts: int) -> None:
        """Give it a task of `tally` chains that all start at one."""
        state = instruction.ljust(8, b"\0") + (1).to_bytes(8, "big")
        self.lanes.send(Task(seq, "tally", [state] * len(counts), list(counts)))


@pytest.fixture
def child(mills: None) -> Iterator[Child]:  # noqa: ARG001
    child = Child()
    yield child
    child.lanes.kill()
    while not isinstance(child.next(), Death):
        pass


def test_it_says_what_it_can_compute_and_computes_it(child: Child) -> None:
    """The parent needs no workload: lanes and state sizes come with the hello."""
    assert isinstance(child.hello, Hello)
    assert child.hello.workloads["tally"] == Profile(lanes=4, state_bytes=16)
    child.send(1, b"", 5, 0, 7)
    outcome = child.next()
    assert isinstance(outcome, Outcome)
    assert (outcome.seq, outcome.error) == (1, None)
    assert [int.from_bytes(state[8:], "big") for state in outcome.states] == [6, 1, 8]


def test_what_a_workload_prints_does_not_disturb_the_frames(child: Child) -> None:
    """Descriptor 1 is the workload's own; results have another way."""
    child.send(1, b"print", 3)
    outcome = child.next()
    assert isinstance(outcome, Outcome)
    assert outcome.error is None


def test_what_a_workload_raises_is_told_and_survived(child: Child) -> None:
    """An exception is an outcome with its words, and the child takes the next slice."""
    child.send(1, b"raise", 3)
    child.send(2, b"", 3)
    failed, fine = child.next(), child.next()
    assert isinstance(failed, Outcome)
    assert failed.error == "ValueError: this one cannot be computed"
    assert isinstance(fine, Outcome)
    assert (fine.seq, fine.error) == (2, None)


CAUSES = [(b"kill", "SIGKILL"), (b"segv", "SIGSEGV"), (b"memory", SHORT_OF)]


@pytest.mark.parametrize(("instruction", "cause"), CAUSES)
def test_its_death_is_the_last_word_and_names_the_signal(
    mills: None,  # noqa: ARG001
    instruction: bytes,
    cause: str,
) -> None:
    """Outcomes from before the death still arrive; then the cause. What is refused memory is ended
    as well: the next child shows whether that was the machine."""
    child = Child()
    child.send(1, b"", 1)
    child.send(2, instruction, 1)
    assert isinstance(child.next(), Outcome)
    assert child.next() == Death(cause)


def test_where_memory_runs_out_it_is_the_first_to_be_ended(child: Child) -> None:
    """It holds nothing that its parent does not hold, and is replaced at once."""
    theirs, ours = (
        int(Path(f"/proc/{who}/oom_score_adj").read_text())
        for who in (child.lanes.pid, os.getpid())
    )
    assert theirs == ours + COMPUTES


def test_signals_for_the_whole_group_do_not_end_it(child: Child) -> None:
    """Ctrl-C and a service manager's SIGTERM are the parent's to answer."""
    assert child.lanes.pid is not None
    os.kill(child.lanes.pid, signal.SIGINT)
    os.kill(child.lanes.pid, signal.SIGTERM)
    child.send(1, b"", 1)
    assert isinstance(child.next(), Outcome)


def test_the_end_of_its_input_ends_it_in_mid_slice(
    mills: None,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child whose parent is gone does not compute on: a slice of years ends by itself."""
    monkeypatch.setattr("workmill.worker.child_handle.END_SECONDS", TEST_SECONDS)
    child = Child()
    child.send(1, b"slow", 10**10)
    child.lanes.close()
    assert child.next() == Death("exit code 0")


def test_a_child_that_does_not_hear_is_killed(
    mills: None,  # noqa: ARG001
    gates: Gates,
) -> None:
    """A workload that holds the interpreter lock for good cannot outlive the worker."""
    child = Child()
    child.send(1, b"gil", 1)
    gates.wait_until_reached()
    child.lanes.close()
    assert child.next() == Death("SIGKILL")


def test_a_child_that_is_stopped_can_be_ended(mills: None) -> None:  # noqa: ARG001
    """SIGSTOP: neither the end of its input nor anything else reaches it, but the end does."""
    child = Child()
    assert child.lanes.pid is not None
    os.kill(child.lanes.pid, signal.SIGSTOP)
    until(lambda: psutil.Process(child.lanes.pid).status() == psutil.STATUS_STOPPED)
    child.lanes.close()
    assert child.next() == Death("SIGKILL")


def test_bytes_that_are_no_report_are_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child gone mad is ended and replaced, not waited for while its leases are renewed."""
    mad = (
        "import sys, time; sys.stdout.write('\\0\\0\\0\\x01x'); sys.stdout.flush(); time.sleep(60)"
    )
    monkeypatch.setattr("workmill.worker.child_handle._COMMAND", [sys.executable, "-c", mad])
    inbox: Inbox = SimpleQueue()
    lanes = Lanes(inbox)
    lanes.start()
    assert inbox.get(timeout=TEST_SECONDS) == Death("SIGKILL")
    lanes.close()


def test_a_child_that_cannot_be_started_is_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without room for a process is told of in words, not by a traceback."""
    monkeypatch.setattr("workmill.worker.child_handle._COMMAND", ["/proc/nonexistent/python"])
    inbox: Inbox = SimpleQueue()
    lanes = Lanes(inbox)
    lanes.start()
    death = inbox.get(timeout=TEST_SECONDS)
    assert isinstance(death, Death)
    assert "could not be started" in death.reason
    lanes.close()


@pytest.mark.parametrize("refused", ["_write", "_listen"])
def test_a_thread_that_is_refused_is_a_death(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """At a limit on threads nobody would hear of the child: it is ended, and told of once."""
    start = threading.Thread.start

    def starts(thread: threading.Thread) -> None:
        if f"({refused})" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts)
    inbox: Inbox = SimpleQueue()
    lanes = Lanes(inbox)
    lanes.start()
    assert inbox.get(timeout=TEST_SECONDS) == Death(
        "its parent has no thread for it: can't start new thread"
    )
    assert lanes.pids() == ()
    assert inbox.empty()


NO_THREADS = """
import sys, threading
from workmill.process.entry import enter_program
from workmill.worker import child_main as compute

enter_program()

def refuses(thread):
    if thread._target.__name__ == sys.argv[1]:
        raise RuntimeError("can't start new thread")
    start(thread)

start, threading.Thread.start = threading.Thread.start, refuses
compute.main()
"""


@pytest.mark.parametrize("refused", ["_write_all", "_read_ahead"])
def test_a_child_at_a_limit_says_so_and_no_hello(refused: str) -> None:
    """Who has said hello is given jobs, and its death is held against them."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", NO_THREADS, refused],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TEST_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (SHORT_EXIT, b"")
    assert b"No more processes and threads are allowed here" in done.stderr
    assert b"Traceback" not in done.stderr


NO_MEMORY = """
from workmill.process.entry import enter_program
from workmill.worker import child_main as compute

enter_program()

def refused(name):
    raise MemoryError

compute.find_workload = refused
compute.main()
"""


def test_a_workload_that_is_refused_memory_at_the_start_is_not_broken() -> None:
    """The jobs of a broken one are failed. Here the child ends, without a hello."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", NO_MEMORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:  # its input stays open: the end of that would be its end as well
        assert child.stdin is not None
        assert child.stdout is not None
        said = child.stdout.read(1)
        child.stdin.close()
        assert (child.wait(TEST_SECONDS), said) == (SHORT_EXIT, b"")


MAD = """
import os, sys, time
from workmill.worker.child_protocol import Hello, Profile, write_frame
write_frame(sys.stdout.buffer, Hello({"tally": Profile(4, 16)}))
sys.stdout.buffer.write(%r)
sys.stdout.buffer.flush()
%s
"""


@pytest.mark.parametrize(
    ("said", "then", "reason"),
    [
        (b"\0\0\1\0half", "os._exit(7)", "exit code 7"),
        (b"\0\0", "os._exit(7)", "exit code 7"),
        (b"\xff\xff\xff\xffx", "time.sleep(600)", "SIGKILL"),
        (b"\0\0\0\2\x93\xc0", "time.sleep(600)", "SIGKILL"),
        (b"", "os.close(1); time.sleep(600)", "SIGKILL"),
    ],
)
def test_a_frame_that_breaks_off_is_the_end_of_its_child(
    monkeypatch: pytest.MonkeyPatch, said: bytes, then: str, reason: str
) -> None:
    """Half a frame, one of a length that cannot be, or a closed pipe: a death, and no outcome."""
    monkeypatch.setattr(
        "workmill.worker.child_handle._COMMAND", [sys.executable, "-c", MAD % (said, then)]
    )
    inbox: Inbox = SimpleQueue()
    lanes = Lanes(inbox)
    lanes.start()
    assert isinstance(inbox.get(timeout=TEST_SECONDS), Hello)
    assert inbox.get(timeout=TEST_SECONDS) == Death(reason)
    lanes.close()
