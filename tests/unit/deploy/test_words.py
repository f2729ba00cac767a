"""What is deployed is started with words that the command line takes: a misspelt option would end
every pod and every unit at its start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
import yaml
from typer.exceptions import TyperException

from workmill.cli.app import app

DEPLOY = Path(__file__).parents[3] / "deploy"
SETTINGS = {
    "$WORKMILL_CONTROLLER_OPTIONS": "--cluster m --region r --subnets a,b --workers 1:20",
    "${WORKMILL_NOTICE_SECONDS}": "15",
}
"""As deploy/aws/host writes them."""


def take(words: Sequence[str]) -> None:
    """Have the command line read these, and raise what it raises for what it does not know."""
    group: Any = typer.main.get_command(app)
    group.commands[words[0]].make_context(words[0], list(words[1:]))


def in_units() -> list[str]:
    """The command line of each unit of ours, without its program."""
    found = []
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        (line,) = re.findall(r"^ExecStart=\S+/workmill (.*)$", unit.read_text(), re.MULTILINE)
        for name, value in SETTINGS.items():
            line = line.replace(name, value)
        found.append(line)
    return found


def in_chart() -> list[str]:
    """The command of each container, with numbers in the place of values."""
    found = []
    for template in sorted((DEPLOY / "helm" / "workmill" / "templates").glob("*s.yaml")):
        for line in re.findall(
            r"^ +command: (\[workmill.*\])$", template.read_text(), re.MULTILINE
        ):
            words = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "10", line))
            found.append(shlex.join(words[1:]))
    return found


@pytest.mark.parametrize("line", [*in_units(), *in_chart()])
def test_the_command_line_takes_it(line: str) -> None:
    """Every word."""
    take(shlex.split(line))


def test_no_role_is_left_out() -> None:
    """Units start three roles, the chart two."""
    assert [line.split()[0] for line in in_units()] == ["controller", "endpoint", "worker"]
    assert [line.split()[0] for line in in_chart()] == ["endpoint", "worker"]


def test_what_it_does_not_know_is_found() -> None:
    """The test above can fail."""
    with pytest.raises(TyperException, match="No such option"):
        take(["endpoint", "--notice-secs", "10"])
    with pytest.raises(typer.BadParameter, match="not a valid float"):
        take(["endpoint", "--notice-seconds", "ten"])
