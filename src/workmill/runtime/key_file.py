"""The shared key, read from a file that others cannot read.

The key is a bearer secret. It never travels in an argument or a log line, where `ps` and
log collectors would see it.
"""

from __future__ import annotations

import os
import shlex
import stat
from typing import Final

from workmill.domain.errors import InvalidInput

MIN_KEY_CHARACTERS: Final = 16
MAX_KEY_CHARACTERS: Final = 1024
MAX_FILE_BYTES: Final = 2 * MAX_KEY_CHARACTERS
"""Room for blanks around the longest key. No more than this is read."""
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH
_MAKE_ONE: Final = "(umask 077; openssl rand -hex 32 > workmill.key)"


def read_key(file: str | None) -> str | None:
    """The key in this file without the blanks (and a byte order mark) around it; None when no file
    is named.

    Raises InvalidInput when it is no regular file, cannot be read, can be read by others, or holds
    no key of 16 to 1024 printable characters. What the file holds is never shown.
    """
    if file is None:
        return None
    try:
        mode, held = _look_into(file)
    except OSError as error:
        raise InvalidInput(
            f"The key file {_shown(file)} cannot be read: {error.strerror}. Nothing was done. "
            f"Make one with: {_MAKE_ONE}"
        ) from None
    if not stat.S_ISREG(mode):
        raise InvalidInput(
            f"The key file {_shown(file)} cannot be read: it is no regular file. Nothing was done. "
            f"Make one with: {_MAKE_ONE}"
        )
    if mode & _OTHERS:
        raise InvalidInput(
            f"Every user of this machine can reach the key in {file!r}. Nothing was done. "
            f"Close it with: chmod o= {shlex.quote(file)}"
        )
    key = held.removeprefix(b"\xef\xbb\xbf").strip().decode("ascii", errors="replace")
    if not MIN_KEY_CHARACTERS <= len(key) <= MAX_KEY_CHARACTERS or not _is_one_word(key):
        raise InvalidInput(
            f"The key file {file!r} does not hold one word of {MIN_KEY_CHARACTERS} to "
            f"{MAX_KEY_CHARACTERS} ASCII characters. Nothing was done. Make one with: {_MAKE_ONE}"
        )
    return key


def _look_into(file: str) -> tuple[int, bytes]:
    """The mode, and what a regular file holds: a pipe would be waited for, a device never ends."""
    place = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(place).st_mode
        return mode, os.read(place, MAX_FILE_BYTES) if stat.S_ISREG(mode) else b""
    finally:
        os.close(place)


def _shown(file: str) -> str:
    """Its name, unless that looks like a key that was given in the place of its file."""
    if "/" in file or "." in file or len(file) < MIN_KEY_CHARACTERS:
        return repr(file)
    return "(its name may be the key itself, and is not shown)"


def _is_one_word(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key
