"""Nobody who reads, or does not read, what a process says can hold it up."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from workmill.telemetry.log_output import MAX_WAITING_BYTES, Output, _leads_to, _text

TALKATIVE = """
import sys, warnings, threading, logging
from workmill.telemetry import emit
from workmill.telemetry.log import start_log
start_log("worker")
for number in range(20_000):
    emit("job.done", number=number, text="x" * 100)
warnings.warn("Python's own")
logging.getLogger("a.library").error("its error")
failing = threading.Thread(target=lambda: 1 / 0)
failing.start()
failing.join()
print("to standard output")
print("a workload's print", file=sys.stderr)
"""


def talk(stderr: int, stdout: int) -> int:
    """Run it with these; its exit code. A process that waits for its reader would not end."""
    return subprocess.run(
        [sys.executable, "-P", "-c", TALKATIVE],
        stderr=stderr,
        stdout=stdout,
        timeout=60,
        check=False,
    ).returncode


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:
            continue


def fill(descriptor: int) -> int:
    """Write until nothing fits any more, as somebody who shares it would have done; how much."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    written = 0
    try:
        while True:
            written += os.write(descriptor, b"." * 512)
    except BlockingIOError:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
        return written


def test_a_full_pipe_that_nobody_reads_ends_no_process(pipe: tuple[int, int]) -> None:
    """Whatever it says, by events, prints, warnings, libraries and tracebacks, it comes to its end,
    although both of its outputs lead there."""
    fill(pipe[1])
    assert talk(pipe[1], pipe[1]) == 0


def test_a_reader_that_is_gone_ends_no_process(pipe: tuple[int, int]) -> None:
    """`workmill up 2>&1 | head` leaves a pipe that cannot be written to."""
    os.close(pipe[0])
    assert talk(pipe[1], pipe[1]) == 0


def test_a_full_disk_ends_no_process() -> None:
    """/dev/full answers every write as a full disk does."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert talk(full.fileno(), full.fileno()) == 0


def test_a_stopped_terminal_ends_no_process() -> None:
    """Ctrl-S in the terminal that a service was started from."""
    leader, terminal = pty.openpty()
    try:
        termios.tcflow(terminal, termios.TCOOFF)
        assert talk(terminal, terminal) == 0
    finally:
        termios.tcflow(terminal, termios.TCOON)
        os.close(terminal)
        os.close(leader)


def dropped(lines: int) -> bytes:
    return json.dumps({"event": "log.dropped", "lines": lines}).encode() + b"\n"


def test_what_was_dropped_is_counted_and_said_when_it_flows_again(pipe: tuple[int, int]) -> None:
    """No line is lost without a trace, and none is there in part."""
    reading, writing = pipe
    filled, total = fill(writing), 3 * MAX_WAITING_BYTES // 100
    output = Output(writing, dropped)
    line = json.dumps({"event": "job.done", "text": "x" * 100}).encode() + b"\n"
    for _ in range(total):
        assert output.write(line) == len(line)
    with closing(os.fdopen(reading, "rb", closefd=False)) as reader:
        assert reader.read(filled) == b"." * filled
        whole = missing = told = 0
        while whole + missing < total:  # without the last count this would wait for ever
            event = json.loads(reader.readline())
            whole += event["event"] == "job.done"
            missing += event.get("lines", 0)
            told += event["event"] == "log.dropped"
    assert (whole + missing, told > 0) == (total, True)
    assert output.drain(60)


def test_what_could_not_be_written_is_counted_too(pipe: tuple[int, int]) -> None:
    """A disk that was full for a while has lost lines as surely as a reader that was slow."""
    _, writing = pipe
    written: list[bytes] = []
    refusals = 2

    def write(_descriptor: int, data: memoryview) -> int:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(bytes(data))
        return len(data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workmill.telemetry.log_output.os.write", write)
        output = Output(writing, dropped)
        output.write(b"one\ntwo\n")
        assert output.drain(60)
        for _ in range(2):
            output.write(b"later\n")
            assert output.drain(60)
    assert written == [b"later\n", dropped(2), b"later\n"]


def test_a_line_that_was_torn_spoils_no_other(pipe: tuple[int, int]) -> None:
    """After a write that failed in its middle the next line is not added to what is there."""
    reading, writing = pipe
    written: list[bytes] = []
    answers: list[int | OSError] = [3, OSError(28, "No space left on device"), 99, 99]

    def write(_descriptor: int, data: memoryview) -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        written.append(bytes(data[:answer]))
        return len(written[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workmill.telemetry.log_output.os.write", write)
        output = Output(writing, lambda _: b"")
        output.write(b"first line\n")
        assert output.drain(60)
        output.write(b"second\n")
        assert output.drain(60)
    assert b"".join(written) == b"fir\nsecond\n"
    assert reading


def test_a_descriptor_that_others_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    """Some parents leave their end so: a full pipe then answers with an error, and not for long."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    output = Output(writing)
    for number in range(2000):
        output.write(b"%0100d\n" % number)
    with closing(os.fdopen(reading, "rb", closefd=False)) as reader:
        assert [int(reader.readline()) for _ in range(2000)] == list(range(2000))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_command_waits_for_who_reads_a_non_blocking_pipe(
    pipe: tuple[int, int], unbuffered: str
) -> None:
    """All that it says arrives, however little the pipe takes at a time, and it ends well."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    program = "from workmill.cli import console as c; c.prepare(); c.say('x' * 1_000_000)"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdout=writing,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        os.close(writing)
        with closing(os.fdopen(reading, "rb", closefd=False)) as reader:
            assert len(reader.read()) == 1_000_001
    assert process.returncode == 0


HELD_UP = """
import signal, sys
from workmill.cli import console, help_pages, main
def interrupted():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        console.note("x" * 1_000_000)
        sys.stdout.write("half a line")
command = help_pages.Command("held", callback=interrupted)
def run(words):
    console.prepare()
    return command.invoke(command.make_context("held", words))
main._run = run
main.main()
"""


@pytest.mark.parametrize("taken", [1, 10_000])
def test_a_command_that_was_interrupted_waits_for_no_reader(
    pipe: tuple[int, int], taken: int
) -> None:
    """What it has still to say, and half of a line before, goes as far as it can: one Ctrl-C is
    enough, though nobody reads either stream."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"x" * 4096):
            pass
    os.set_blocking(writing, True)
    os.read(reading, taken)
    with subprocess.Popen(
        [sys.executable, "-P", "-c", HELD_UP], stdout=writing, stderr=writing
    ) as process:
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()


def test_lines_of_several_processes_are_never_mixed(pipe: tuple[int, int]) -> None:
    """Each line is one write that a pipe takes whole, however long its fields are."""
    program = """
import os
from workmill.telemetry import emit
from workmill.telemetry.log import start_log
start_log("worker")
for number in range(200):
    emit("job.failed", why="\\u00e4" * (number * 50), pid=os.getpid())
"""
    reading, writing = pipe
    words = [sys.executable, "-P", "-c", program]
    talkers = [subprocess.Popen(words, stderr=writing) for _ in range(4)]
    os.close(writing)
    with closing(os.fdopen(reading, "rb", closefd=False)) as reader:
        lines = reader.read().splitlines()
    assert [one.wait(60) for one in talkers] == [0] * 4
    events = [json.loads(line) for line in lines]
    assert len(events) == 800
    assert all(event["event"] == "job.failed" for event in events)


def test_only_what_leads_there_is_taken_over(pipe: tuple[int, int]) -> None:
    """A program around us may have put its own streams there; and nothing is taken over twice."""
    _, writing = pipe
    with closing(io.TextIOWrapper(os.fdopen(os.dup(writing), "wb"))) as there:
        assert _leads_to(there, there.fileno())
        assert not _leads_to(there, writing)
        assert not _leads_to(_text(Output(writing), "utf-8"), writing)
        assert not _leads_to(io.TextIOWrapper(io.BytesIO()), writing)
