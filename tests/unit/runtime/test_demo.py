"""The demo's judge and its choice of files."""

from workmill.runtime.demo.check import are_right, plain_value
from workmill.runtime.demo.files import MAX_BYTES, MIN_BYTES, real_files


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
