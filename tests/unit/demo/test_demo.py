"""The demo's judge, its choice of files, and its folder."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.system.processes import until

from workmill.demo.reference_values import are_right, plain_value
from workmill.demo.sample_files import MAX_BYTES, MIN_BYTES, real_files
from workmill.demo.scratch import scratch


def test_a_wrong_value_is_seen() -> None:
    """Each value is compared with what hashlib alone comes to."""
    right = plain_value((b"x", 3))
    assert list(are_right({(b"x", 3): right, (b"y", 3): right})) == [True, False]


def test_real_files_are_real_and_of_many_sizes() -> None:
    """Every machine with a Python has them."""
    files = real_files(8)
    sizes = [file.stat().st_size for file in files]
    assert len(set(files)) == 8
    assert all(MIN_BYTES <= size <= MAX_BYTES for size in sizes)
    assert max(sizes) > 2 * min(sizes)


HOLDING = """
import subprocess, sys, tempfile
tempfile.tempdir = sys.argv[1]
from workmill.demo.scratch import scratch
with scratch() as place:
    (place.folder / "data").write_bytes(b"jobs")
    child = subprocess.Popen(["cat"], stdin=0, stdout=1, pass_fds=(place.lock,))
    print("made", flush=True)
    child.wait()
"""


def test_a_killed_demo_leaves_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one removes its folder, but not before its service has ended, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        process.kill()
        process.wait()
        with scratch() as place:  # its service, `cat`, still lives
            assert len(list(tmp_path.iterdir())) == 2
        (left,) = tmp_path.iterdir()
        assert left != place.folder
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    until(lambda: _cleared(tmp_path))  # that service was nobody's child: its end is seen by this
    assert list(tmp_path.iterdir()) == []


def _cleared(place: Path) -> bool:
    with scratch() as own:
        return [own.folder] == list(place.iterdir())
