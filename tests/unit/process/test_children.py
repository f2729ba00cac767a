"""A child finds what its parent found, however the parent did."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import workmill
from workmill.process import children

PROGRAM = """
import subprocess, sys
sys.path = [one for one in sys.path if {root!r} not in one]
sys.path.insert(0, {place!r})
import workmill
assert {place!r} in workmill.__file__
from workmill.process.children import child_environment, python_command
sys.exit(subprocess.call(python_command("workmill.where"), env=child_environment()))
"""
ROOT = Path(workmill.__file__).parents[1]


def zipped(folder: Path) -> Path:
    archive = folder / "workmill.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for file in (ROOT / "workmill").rglob("*.*"):
            if file.suffix not in {".so", ".pyc"}:
                made.write(file, file.relative_to(ROOT))
        made.writestr("workmill/where.py", "import workmill; print(workmill.__file__)")
    return archive


@pytest.mark.parametrize("options", [(), ("-I",), ("-O",), ("-OO",), ("-E", "-s")], ids=" ".join)
def test_a_path_that_was_set_at_run_time_is_handed_on(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """An application that unpacks us, or carries us in a zip file, is served like an installed one,
    however its interpreter was started."""
    place = str(zipped(tmp_path))
    program = PROGRAM.format(root=str(ROOT), place=place)
    run = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.stdout == f"{place}/workmill/__init__.py\n", run.stderr


@pytest.mark.parametrize("options", [(), ("-O",), ("-OO",), ("-B",), ("-s",)], ids=" ".join)
def test_a_child_runs_as_its_parent_does(options: tuple[str, ...]) -> None:
    """Docstrings and assertions are there or not for a whole tree of processes."""
    show = "from workmill.process.children import python_command; print(*python_command('m', 'w'))"
    words = subprocess.run(
        [sys.executable, "-P", *options, "-c", show],
        capture_output=True,
        text=True,
        check=True,
        env={},
    ).stdout.split()
    assert words == [sys.executable, *options, "-P", "-m", "m", "w"]


def test_an_interpreter_that_stays_for_a_person_is_no_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PYTHONINSPECT would leave every process that ends waiting for words at a prompt."""
    monkeypatch.setenv("PYTHONINSPECT", "1")
    monkeypatch.setenv("LANG", "C")
    environment = children.child_environment()
    assert "PYTHONINSPECT" not in environment
    assert environment["LANG"] == "C"
    assert environment["PYTHONSAFEPATH"] == "1"


def test_what_an_interpreter_ignores_its_child_does_not_get() -> None:
    """`python -E` is asked for where the environment is not to be trusted."""
    show = "from workmill.process.children import child_environment as it; print(*sorted(it()))"
    given = {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT), "LANG": "C"}
    for options, handed_on in (((), True), (("-E",), False)):
        words = [sys.executable, "-P", *options, "-c", show]
        found = subprocess.run(words, capture_output=True, text=True, check=True, env=given)
        assert ("PYTHONWARNINGS" in found.stdout.split()) == handed_on
        assert {"LANG", "PYTHONPATH"} <= set(found.stdout.split())


def test_the_import_path_is_absolute_and_has_our_own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever found this package otherwise, by an import hook for one, finds it in a child. What
    was found from a directory that is gone is left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "beside", "/far", "/far"])
    assert children.import_path() == [str(tmp_path / "beside"), "/far", str(ROOT)]
    monkeypatch.setenv("PYTHONPATH", f"/far{os.pathsep}/added")
    handed_on = children.child_environment()["PYTHONPATH"].split(os.pathsep)
    assert handed_on == [str(tmp_path / "beside"), "/far", str(ROOT), "/added"]

    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("workmill.process.children.os.getcwd", gone)
    assert children.import_path() == ["/far", str(ROOT)]
