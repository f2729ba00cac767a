"""`workmill submit` with a large file: a bar for whoever watches, silence for a script."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.http.client.live import Live

from workmill.cli import progress
from workmill.cli.main import main
from workmill.domain.ids import parse_id


@pytest.fixture
def submit(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the command on a file of 900 kB, which counts as large here."""
    file = tmp_path / "large"
    file.write_bytes(bytes(900_000))
    monkeypatch.setattr(progress, "WORTH_SHOWING_BYTES", 900_000)
    monkeypatch.setenv("TERM", "xterm")

    def run(*options: str, terminal: bool) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
        words = ["workmill", "submit", str(file), "-n", "1", "--url", live.url, *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code

    return run


@pytest.mark.parametrize(("options", "word"), [((), "Sending"), (("--fold",), "Folding")])
def test_a_large_file_shows_how_far_it_is_on_a_terminal(
    submit: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    word: str,
) -> None:
    """On standard error, up to the end; standard output has the id alone."""
    submit(*options, terminal=True)
    said = capsys.readouterr()
    assert parse_id(said.out.strip())
    assert f"{word} large" in said.err
    assert re.search(r"878\.9/878\.9 KiB", said.err)


@pytest.mark.parametrize("options", [(), ("--fold",)])
def test_a_script_hears_nothing_of_it(
    submit: Callable[..., None], capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Standard error is for what it must know."""
    submit(*options, terminal=False)
    assert capsys.readouterr().err == ""


def test_a_small_file_has_no_bar(
    submit: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be gone before anybody had read it."""
    monkeypatch.setattr(progress, "WORTH_SHOWING_BYTES", 900_001)
    submit(terminal=True)
    assert capsys.readouterr().err == ""
