"""`workmill backup` and `restore`: nothing is lost that nobody agreed to lose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client.commands import at_terminal, run
from tests.http.client.live import Live

from workmill import Client


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    """A client of a service that keeps two jobs."""
    with Client(live.url) as one:
        list(one.submit_many([b"a", b"b"], 3))
        yield one


@pytest.fixture
def copy(live: Live, client: Client, tmp_path: Path) -> Path:
    """A backup of the two; a third job came later."""
    file = tmp_path / "copy"
    assert run("backup", str(file), url=live.url).returncode == 0
    client.submit(b"later", 3)
    return file


def jobs(client: Client) -> int:
    return sum(client.stats().stats.jobs.values())


def test_nobody_is_asked_where_nobody_can_be(live: Live, client: Client, copy: Path) -> None:
    """`restore FILE </dev/null` changes nothing, and says which word would."""
    done = run("restore", str(copy), url=live.url)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--yes" in done.stderr
    assert jobs(client) == 3
    assert run("restore", str(copy), "--yes", url=live.url).returncode == 0
    assert jobs(client) == 2


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b"\x04", b"yesterday\n"])
def test_a_person_who_does_not_say_yes_keeps_everything(
    live: Live, client: Client, copy: Path, typed: bytes
) -> None:
    """The question says how many jobs would go."""
    code, shown = at_terminal("restore", str(copy), url=live.url, typed=typed)
    assert code == 1
    assert b"keeps 3 jobs now" in shown
    assert b"Nothing was changed." in shown
    assert jobs(client) == 3


def test_a_person_who_says_yes_gets_it(live: Live, client: Client, copy: Path) -> None:
    code, _ = at_terminal("restore", str(copy), url=live.url, typed=b"yes\n")
    assert code == 0
    assert jobs(client) == 2


def test_a_name_that_is_no_text_is_shown_escaped(
    live: Live, client: Client, tmp_path: Path
) -> None:
    """A file's name is bytes; what the terminal gets is neither those nor a traceback."""
    name = os.fsencode(tmp_path) + b"/\xff\x1b[31m"
    done = run("backup", name, url=live.url)
    assert done.returncode == 0
    assert rb"\xff\x1b[31m holds a complete, checked copy" in done.stdout
    assert os.path.getsize(name) > 0  # noqa: PTH202 - bytes
    assert run("restore", name, "--yes", url=live.url).returncode == 0
    assert jobs(client) == 2


def test_a_target_is_looked_at_before_anybody_is_asked(tmp_path: Path) -> None:
    """Nobody is at this address, and that is not what is told."""
    for target in (tmp_path, tmp_path / "no/folder", Path("/dev/null"), tmp_path / ("n" * 300)):
        done = run("backup", str(target), url="http://127.0.0.1:1")
        assert done.returncode == 1
        assert b"No endpoint" not in done.stderr
        assert b"Nothing was written" in done.stderr or os.fsencode(target) in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_standard_output_is_no_place_for_a_copy(
    live: Live, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`backup - | gzip > x` would keep one sentence, and nobody would know before the restore."""
    monkeypatch.chdir(tmp_path)
    done = run("backup", "-", url=live.url)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot go to standard output" in done.stderr
    assert not (tmp_path / "-").exists()
    assert run("backup", "./-", url=live.url).returncode == 0
    assert jobs(client) == 2


def test_a_restore_that_was_surely_not_done_is_told_so(
    live: Live, client: Client, tmp_path: Path
) -> None:
    """There is no room for a file of that size: nobody has to look what has become of the store."""
    with (tmp_path / "copy").open("wb") as file:
        file.truncate(1 << 43)
    done = run("restore", str(tmp_path / "copy"), "--yes", url=live.url)
    assert done.returncode == 1
    assert b"Nothing was changed" in done.stderr
    assert b"may not be known" not in done.stderr
    assert jobs(client) == 2


@pytest.mark.parametrize("file", ["/no/such", "/dev/null", "."])
def test_what_cannot_be_read_again_is_not_sent(live: Live, client: Client, file: str) -> None:
    """A restore needs a regular file."""
    done = run("restore", file, "--yes", url=live.url)
    assert done.returncode == 2
    assert jobs(client) == 2
