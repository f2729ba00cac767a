"""The demo is a test that anyone can run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
import typer
from tests.system.processes import Up, run

from workmill.cli.demo import demo
from workmill.demo import acts


def test_the_demo_is_green() -> None:
    """It starts a service of its own, all four acts hold, every value is right, exit 0."""
    done = run("demo", "--files", "6", "--iterations", "20000")
    words = done.stdout.decode()
    assert done.returncode == 0, words + done.stderr.decode()
    assert "BROKEN" not in words
    assert "not judged" not in words
    assert "8 values are right" in words


def test_one_wrong_value_makes_it_red(
    service: Up, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A single value that hashlib does not agree with: said aloud, exit 1. On a service that
    others use too, counters are not judged."""

    def all_but_one(values: Iterable[object]) -> Iterator[bool]:
        return (n != 2 for n, _ in enumerate(values))

    monkeypatch.setattr(acts, "are_right", all_but_one)
    with pytest.raises(typer.Exit) as ended:
        demo(files=4, iterations=1000, url=[service.url])
    assert ended.value.exit_code == 1
    words = capsys.readouterr().out
    assert "1 of 6 values are wrong" in words
    assert "not judged" in words
