"""`workmill submit`: exactly the bytes that were named are sent, whatever holds them."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from tests.http.client.commands import WORKMILL, run
from tests.http.client.live import Hands, Live
from tests.system.service_definition import value_of

from workmill.cli import inputs

WORDS = ("-n", "2", "--wait")


def value(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def test_a_file_called_dash_is_a_file(live: Live, hands: Hands, tmp_path: Path) -> None:
    """The word is judged as it was typed; `-` alone is standard input."""
    (tmp_path / "-").write_bytes(b"in the file")
    assert hands
    named = run("submit", "./-", *WORDS, url=live.url, cwd=tmp_path, stdin=b"piped")
    piped = run("submit", "-", *WORDS, url=live.url, cwd=tmp_path, stdin=b"piped")
    assert value(named) == value_of(b"in the file", 2)
    assert value(piped) == value_of(b"piped", 2)


def test_a_file_without_a_size_is_read(live: Live, hands: Hands) -> None:
    """The kernel says 0 bytes of what it makes up when it is read."""
    held = Path("/proc/version").read_bytes()
    assert Path("/proc/version").stat().st_size == 0
    assert held
    assert hands
    assert value(run("submit", "/proc/version", *WORDS, url=live.url)) == value_of(held, 2)


def test_a_pipe_with_a_name_is_read(live: Live, hands: Hands, tmp_path: Path) -> None:
    """`submit <(program)`, and a fifo."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"through it",))
    writer.start()
    assert hands
    assert value(run("submit", str(fifo), *WORDS, url=live.url)) == value_of(b"through it", 2)
    writer.join()


def test_nothing_is_data_too(live: Live, hands: Hands, tmp_path: Path) -> None:
    """An empty file and an empty pipe are hashed, and the person is told."""
    (tmp_path / "empty").write_bytes(b"")
    assert hands
    for word in ("-", str(tmp_path / "empty")):
        done = run("submit", word, *WORDS, url=live.url)
        assert value(done) == value_of(b"", 2)
        assert b"The data is empty" in done.stderr


def test_data_without_an_end_is_refused_early(live: Live) -> None:
    """It is sent as it comes, and the service says when that is too much; nothing is kept of it."""
    done = run("submit", "/dev/zero", "-n", "2", url=live.url)
    assert done.returncode == 1
    assert b"larger than this service takes" in done.stderr
    assert run("jobs", url=live.url).stdout == b""


def test_a_pipe_larger_than_memory_is_meant_for_is_folded(live: Live, hands: Hands) -> None:
    """Piece by piece, what was looked at first included."""
    data = bytes(range(256)) * (inputs.IN_MEMORY_BYTES // 256) + b"and more"
    assert hands
    done = run("submit", "-", *WORDS, "--fold", url=live.url, stdin=data)
    assert value(done) == value_of(data, 2)


@pytest.mark.parametrize("word", ["/no/such", "/", "", "x" * 300])
def test_what_is_no_file_is_used_wrongly(live: Live, word: str) -> None:
    """Exit 2, the name, and no job."""
    done = run("submit", word, "-n", "2", url=live.url)
    assert done.returncode == 2
    assert b"no file that can be read" in done.stderr
    assert run("jobs", url=live.url).stdout == b""


def test_what_cannot_be_read_after_all_is_named(live: Live) -> None:
    """The system opens it, and refuses to read it."""
    done = run("submit", "/proc/self/mem", "-n", "2", url=live.url)
    assert done.returncode == 1
    assert b"/proc/self/mem: Input/output error" in done.stderr
    assert run("jobs", url=live.url).stdout == b""


def test_closed_input_is_not_an_empty_one(live: Live) -> None:
    """`submit - <&-` computes nothing that nobody asked for."""
    line = 'exec "$@" <&-'
    words = ["submit", "-", "-n", "2", "--url", live.url]
    done = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *WORKMILL, *words], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"Standard input is closed" in done.stderr
    assert run("jobs", url=live.url).stdout == b""


def test_a_job_whose_id_cannot_be_shown_is_named_all_the_same(live: Live) -> None:
    """`submit FILE >/dev/full`: it was taken, and standard error says which."""
    full = os.open("/dev/full", os.O_WRONLY)
    done = run("submit", "-", "-n", "2", url=live.url, stdin=b"x", stdout=full)
    os.close(full)
    assert done.returncode == 1
    (line,) = run("jobs", url=live.url).stdout.splitlines()
    assert line.split()[0] in done.stderr
