"""The key file."""

from pathlib import Path

import pytest

from workmill.domain.errors import InvalidInput
from workmill.runtime.keys import read_key

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
    (tmp_path / "binary").write_bytes(b"\xff" * 20)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_key(str(tmp_path / "binary"))
