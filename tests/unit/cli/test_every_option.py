"""Every option of every command, with values that nobody means: an empty one (a variable that is
not set), numbers without end, and bytes that are no text."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import typer
from tests.unit.cli.all_commands import commands
from tests.unit.cli.test_every_talk import TALKS

from workmill.cli.app import app
from workmill.cli.main import main

ABSURD = ["", "nan", "1e999", "9" * 5000, "-" + "9" * 400, "\udcff\x1b[2J\n"]
EFFECTS = {
    "up": "workmill.runtime.up.run_up",
    "endpoint": "workmill.runtime.composition.run_endpoint",
    "worker": "workmill.runtime.composition.run_worker",
    "controller": "workmill.runtime.controller_process.run_controller",
    "cluster": "workmill.cluster.run.run_cluster",
    "restart": "workmill.cluster.restart_socket.ask_restart",
    "doctor": "workmill.doctor.examine",
    "demo": "workmill.demo.private_service",
    "simulate": "workmill.controller.simulation.simulate",
    "bench kernel": "workmill.workloads.sha512.bench.measure",
}
"""What a command that asks no service does once its options are taken."""
NEEDED = {"simulate": "simulate burst"} | TALKS
MAY_BE_EMPTY = {"--region", "--subnets"}
"""They count only beside --cluster, which asks for them."""


class Begun(BaseException):
    """The options were taken."""


def options_of(command: Any) -> Iterator[Any]:
    """Those that take a value, and the arguments."""
    for one in command.params:
        if not getattr(one, "is_flag", False):
            yield one


OPTIONS = [
    pytest.param(words, one, id=f"{words} {one.name}")
    for words, command in commands().items()
    for one in options_of(command)
]


def call(words: str, option: Any, value: str, file: Path) -> list[str]:
    """The command as it is usually called, with this value for this option or argument."""
    places = {"FILE": str(file), "TARGET": f"{file}.copy"}
    usual = [places.get(one, one) for one in NEEDED.get(words, words).split()]
    if option.param_type_name == "argument":
        return [*usual[:1], "--", value] if len(usual) == 2 else [*usual[:1], *usual[2:], value]
    return [*usual, option.opts[0], value]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Runs one call: its exit code, 0 when the options were taken."""

    def begun(*_: object, **__: object) -> NoReturn:
        raise Begun

    for place in EFFECTS.values():
        module, _, name = place.rpartition(".")
        monkeypatch.setattr(importlib.import_module(module), name, begun)
    whole = typer.main.get_command(app)
    monkeypatch.setattr(typer.main, "get_command", lambda _app: whole)
    monkeypatch.setenv("WORKMILL_URL", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file"
    file.write_bytes(b"some bytes")

    def run(words: str, option: Any, value: str) -> int:
        monkeypatch.setattr(sys, "argv", ["workmill", *call(words, option, value, file)])
        try:
            main()
        except SystemExit as end:
            return cast("int", end.code)
        except Begun:
            return 0
        raise AssertionError

    yield run
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("words", "option"), OPTIONS)
def test_an_absurd_value_ends_in_words(
    words: str, option: Any, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of them shows a fault of ours; an empty one and a number that is none are used wrongly,
    before anything is done."""
    number = option.type.name.split()[0] in {"integer", "float", "integer range", "float range"}
    for value in ABSURD:
        code = run(words, option, value)
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "fault of Workmill" not in said, (value, said)
        assert all(line.isprintable() for line in said.splitlines())
        assert r"\udcff" not in said
        if number and option.name != "seed":
            assert code == 2, (value, said)
        if value == "" and option.opts[0] not in MAY_BE_EMPTY:
            assert code in {1, 2}, said
