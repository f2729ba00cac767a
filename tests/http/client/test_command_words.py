"""What a person reads of a service: escaped, in one line each, coloured where that is wanted."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.client.commands import WORKMILL, at_terminal, run
from tests.http.client.live import Hands, Live

from workmill import Client

REASON = "first\nsecond \x1b[2J\x1b]0;owned\x07 \u202egnp.exe [bold]loud[/]"
KEY = "k" * 20


@pytest.fixture
def failed(live: Live) -> str:
    """The id of a job that failed for a reason from outside."""
    with Client(live.url) as client:
        job_id = client.submit(b"data", 3).id
    hands = Hands(live.url)
    (lease,) = hands.lease(1)
    hands.fail(lease, REASON)
    hands.stop()
    return job_id


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Live]:
    """A service with a key."""
    service = Live(tmp_path / "locked", KEY.encode())
    yield service
    service.stop()


def test_a_reason_stays_on_its_line(live: Live, failed: str) -> None:
    """Nothing in it reaches the terminal as a command; a script gets it as it is."""
    shown = run("job", failed, url=live.url).stdout.decode()
    (line,) = [line for line in shown.splitlines() if "reason" in line]
    assert r"first\nsecond \x1b[2J\x1b]0;owned\x07 \u202egnp.exe [bold]loud[/]" in line
    waited = run("job", failed, "--wait", url=live.url)
    assert waited.returncode == 1
    assert b"\x1b" not in waited.stderr
    told = json.loads(run("job", failed, "--json", url=live.url).stdout)
    assert told["reason"] == REASON


def test_a_file_name_is_not_markup(live: Live, tmp_path: Path) -> None:
    """A bar shows the name as it is: brackets stay, control characters do not act."""
    file = tmp_path / "big[red]x\x1b[2J.bin"
    file.write_bytes(bytes(5 * 2**20))
    code, shown = at_terminal("submit", str(file), "-n", "2", "--fold", url=live.url)
    assert code == 0
    assert rb"Folding big[red]x\x1b[2J.bin" in shown
    assert b"\x1b[2J.bin" not in shown


@pytest.mark.parametrize("words", [("status",), ("doctor",), ("job", "nonsense"), ("frob",)])
@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_is_no_colour_anywhere(
    live: Live, words: tuple[str, ...], settings: dict[str, str], tmp_path: Path
) -> None:
    """Tables, findings, errors: one place decides, and a plain terminal shows the difference."""
    where = ("--data", str(tmp_path)) if words == ("doctor",) else ()
    _, shown = at_terminal(*words, *where, url=live.url, settings=settings)
    assert b"\x1b[" not in shown.replace(b"\x1b[?25h", b"")
    if words != ("frob",):
        assert b"\x1b[" in at_terminal(*words, *where, url=live.url)[1]


def test_a_wrong_key_is_told_in_options(locked: Live, tmp_path: Path) -> None:
    """Not in headers, which nobody types."""
    none = run("status", url=locked.url)
    assert none.returncode == 1
    assert b"--key-file FILE, or WORKMILL_KEY_FILE" in none.stderr
    assert b"Bearer" not in none.stderr
    file = tmp_path / "key"
    file.write_text("x" * 20)
    file.chmod(0o600)
    wrong = run("jobs", "--key-file", str(file), url=locked.url)
    assert f"The service does not take the key in {file}." in wrong.stderr.decode()
    assert b"x" * 20 not in wrong.stderr
    file.write_text(KEY)
    assert run("jobs", "--key-file", str(file), url=locked.url).returncode == 0


def test_ctrl_c_ends_a_wait_with_a_word(live: Live) -> None:
    """Exit 130, no traceback, and how to come back to the job."""
    with Client(live.url) as client:
        job_id = client.submit(b"nobody works", 3).id
    with subprocess.Popen(
        [*WORKMILL, "job", job_id, "--wait", "--url", live.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert b"queued" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, told = process.communicate()
    assert (process.returncode, said) == (130, b"")
    lines = told.decode().splitlines()
    assert lines[-2:] == [
        f"Job {job_id} goes on without this command: workmill job {job_id} --wait",
        "Interrupted.",
    ]


@pytest.mark.parametrize("columns", ["1", "20", "200"])
@pytest.mark.parametrize("words", [("status",), ("jobs",)])
def test_a_terminal_of_any_width_is_served(
    live: Live, words: tuple[str, ...], columns: str
) -> None:
    """It may be ugly, and it is no error."""
    code, shown = at_terminal(*words, url=live.url, settings={"COLUMNS": columns, "LINES": "1"})
    assert code == 0
    assert b"Traceback" not in shown
