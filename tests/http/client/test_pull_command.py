"""`workmill pull`: a result that its reader did not get is not delivered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client.commands import WORKMILL, run
from tests.http.client.live import Hands, Live

from workmill import Client

RESULTS = 5


@pytest.fixture
def client(live: Live, hands: Hands) -> Iterator[Client]:
    """A client of a service that has some results."""
    assert hands
    with Client(live.url) as one:
        one.wait_all(list(one.submit_many([b"%d" % n for n in range(RESULTS)], 3)))
        yield one


def delivered(client: Client) -> int:
    return client.stats().stats.jobs.get("delivered", 0)


def test_all_that_was_read_is_delivered(live: Live, client: Client) -> None:
    """Through a pipe, and as JSON."""
    assert len(run("pull", "--top", "2", url=live.url).stdout.splitlines()) == 2
    assert delivered(client) == 2
    assert run("pull", "--json", url=live.url).stdout.count(b'"value"') == RESULTS - 2
    assert delivered(client) == RESULTS


def test_a_file_has_them_before_they_are_delivered(
    live: Live, client: Client, tmp_path: Path
) -> None:
    """A file's lines are as good as read."""
    with (tmp_path / "results").open("wb") as file:
        assert run("pull", url=live.url, stdout=file.fileno()).returncode == 0
    assert len((tmp_path / "results").read_bytes().splitlines()) == RESULTS
    assert delivered(client) == RESULTS


@pytest.mark.parametrize("words", [("pull",), ("pull", "--json")])
@pytest.mark.parametrize(
    "output", [">/dev/full", ">&-", ">results; ulimit -f 0", ">results; ulimit -f 1"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_written_comes_back(
    live: Live,
    client: Client,
    words: tuple[str, ...],
    output: str,
    unbuffered: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full device, no output at all, a file that takes nothing once it is written to, or takes a
    part, which Python's unbuffered streams keep to themselves: one sentence, nothing delivered."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    line = ["/bin/sh", "-c", f'exec {output}; exec "$@"', "sh", *WORKMILL, *words]
    done = subprocess.run(
        [*line, "--url", live.url], capture_output=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert b"Standard output cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr
    assert delivered(client) == 0


@pytest.mark.parametrize("lines", [1, 3])
def test_a_reader_that_leaves_gets_no_more_than_it_read(
    live: Live, client: Client, lines: int
) -> None:
    """`| head -3`: three are delivered, and the others come back although the pipe had room."""
    with subprocess.Popen(
        [*WORKMILL, "pull", "--url", live.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(lines):
            byte = b""
            while byte != b"\n":
                byte = os.read(process.stdout.fileno(), 1)
        process.stdout.close()
        _, told = process.communicate()
    assert (process.returncode, told) == (1, b"")
    # the line behind may have been on its way while the reader left
    assert delivered(client) == lines


def test_a_reader_that_reads_at_its_end_is_not_waited_for(live: Live, client: Client) -> None:
    """One that waits for this process before it reads gets all, and they are delivered."""
    read, write = os.pipe()
    done = run("pull", url=live.url, stdout=write)
    os.close(write)
    assert done.returncode == 0
    with open(read, "rb") as waiting:  # noqa: PTH123 - a descriptor
        assert len(waiting.read().splitlines()) == RESULTS
    assert delivered(client) == RESULTS
