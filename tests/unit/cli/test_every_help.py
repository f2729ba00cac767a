"""The help of every command, wherever it goes and however little that takes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.unit.cli.all_commands import WORKMILL, commands

PAGES = ["", *commands(), "bench"]
NARROW = 40


def shown(*words: str, stdout: int, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """The command line run with these settings in its environment."""
    told = {name: value for name, value in os.environ.items() if name not in {"LANG", "LC_ALL"}}
    return subprocess.run(
        words, stdout=stdout, stderr=subprocess.PIPE, env={**told, **settings}, check=False
    )


@pytest.mark.parametrize("command", PAGES)
def test_help_is_plain_words_without_docstrings(command: str) -> None:
    """`python -OO` has no docstrings, this terminal no characters but ASCII and 40 columns."""
    words = [sys.executable, "-OO", *WORKMILL[1:], *command.split(), "--help"]
    settings = {"PYTHONIOENCODING": "ascii", "COLUMNS": str(NARROW), "NO_COLOR": "1"}
    done = shown(*words, stdout=subprocess.PIPE, **settings)
    lines = done.stdout.decode("ascii").splitlines()
    assert (done.returncode, done.stderr) == (0, b"")
    assert lines[0].startswith("Usage: workmill")
    told = lines.index("")  # the usage ends here, and the description follows
    assert lines[told + 1].strip()
    assert not lines[told + 1].startswith("Options")
    assert max(map(len, lines)) <= NARROW
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("command", ["--version", *(f"{page} --help" for page in PAGES)])
def test_a_full_disk_under_the_output_is_one_sentence(command: str) -> None:
    """The exit code says that it was not shown, and no traceback does."""
    full = os.open("/dev/full", os.O_WRONLY)
    done = shown(*WORKMILL, *command.split(), stdout=full)
    os.close(full)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Standard output cannot be written: No space left on device.")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["--version", "--help", "pull --help"])
def test_a_closed_output_is_one_sentence(command: str) -> None:
    """`>&-`."""
    line = f'exec "$@" {command} >&-'
    done = shown("/bin/sh", "-c", line, "sh", *WORKMILL, stdout=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Standard output cannot be written: Bad file descriptor.")


def test_a_reader_that_has_left_hears_nothing() -> None:
    """`| head`: quiet, as other tools are, and not a success."""
    read, write = os.pipe()
    os.close(read)
    done = shown(*WORKMILL, "--help", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_an_error_has_words_in_every_encoding(encoding: str) -> None:
    """What a terminal cannot show is replaced."""
    done = shown(*WORKMILL, "job…", stdout=subprocess.DEVNULL, PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert "No such command" in done.stderr.decode(encoding)
