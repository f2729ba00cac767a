"""The key file."""

import os
from pathlib import Path

import pytest

from workmill.domain.errors import InvalidInput
from workmill.runtime.key_file import read_key

GOOD = "k" * 16


def key_file(directory: Path, content: str, mode: int = 0o600) -> str:
    file = directory / "key"
    file.write_text(content)
    file.chmod(mode)
    return str(file)


def test_the_key_is_the_word_in_the_file(tmp_path: Path) -> None:
    """Blanks and the line's end around the key do not belong to it."""
    assert read_key(key_file(tmp_path, f"  {GOOD}\n")) == GOOD
    assert read_key(None) is None


@pytest.mark.parametrize("content", ["", "k" * 15, "k" * 1025, f"{GOOD} {GOOD}", f"{GOOD}\x00"])
def test_no_key_worth_the_name_is_refused(tmp_path: Path, content: str) -> None:
    """Short, endless or torn keys are refused, and never shown."""
    with pytest.raises(InvalidInput, match="does not hold one word") as refusal:
        read_key(key_file(tmp_path, content))
    assert GOOD not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that every user of the machine can read or replace protects nothing."""
    with pytest.raises(InvalidInput, match="chmod o="):
        read_key(key_file(tmp_path, GOOD, mode))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is named in the refusal, with a way out."""
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_key(str(tmp_path / "none"))
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 20)
    binary.chmod(0o600)
    with pytest.raises(InvalidInput, match="does not hold one word"):
        read_key(str(binary))


@pytest.mark.parametrize("content", [f"\ufeff{GOOD}", f"{GOOD}\r\n", f"\n\t {GOOD}\n\n"])
def test_what_an_editor_adds_is_no_part_of_the_key(tmp_path: Path, content: str) -> None:
    """A byte order mark and line ends of another system."""
    assert read_key(key_file(tmp_path, content)) == GOOD


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    """A fifo that nobody writes to, a folder, a device without an end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for place in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(InvalidInput, match="is no regular file"):
            read_key(str(place))


def test_a_key_in_the_place_of_its_file_is_not_shown() -> None:
    """`--key-file KEY`: the words of the error may end in a log."""
    with pytest.raises(InvalidInput) as refusal:
        read_key("b1946ac92492d2347c6235b4d2611184")
    assert "b1946" not in str(refusal.value)
    assert "may be the key itself" in str(refusal.value)
