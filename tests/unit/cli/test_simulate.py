"""`workmill simulate`."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from workmill.cli.main import main


def workmill(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["workmill", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_it_draws_and_says_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One document on standard output, whatever else is said; the picture in its file."""
    picture = tmp_path / "burst.svg"
    words = ("simulate", "burst", "--scale", "0.1", "--json", "--plot", str(picture))
    workmill(monkeypatch, *words)
    said = capsys.readouterr()
    report = msgspec.json.decode(said.out)
    assert (report["shape"], report["seed"], report["scale"]) == ("burst", 1, 0.1)
    assert len(report["figures"]) == 6
    assert picture.read_text().startswith("<svg")
    assert str(picture) in said.err


@pytest.mark.parametrize("place", ["no/folder/p.svg", ".", "/dev/full"])
def test_a_picture_that_cannot_be_drawn_is_told_first(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    place: str,
) -> None:
    """Before anything is computed or shown: one sentence."""
    words = ["workmill", "simulate", "burst", "--plot", str(tmp_path / place)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert "Nothing was written." in said.err
    assert len(said.err.splitlines()) == 1


def test_it_says_a_line_for_each_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that a person can read."""
    workmill(monkeypatch, "simulate", "burst", "--scale", "0.1", "--start-seconds", "2")
    said = capsys.readouterr().out
    assert "start in 2 s" in said
    assert "backlog seconds (ours)" in said
    assert "the original, patient" in said
