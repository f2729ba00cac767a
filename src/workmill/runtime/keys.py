"""The shared key, read from a file that others cannot read.

The key is a bearer secret. It never travels in an argument or a log line, where `ps` and
log collectors would see it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from workmill.domain.errors import InvalidInput

MIN_KEY_CHARACTERS: Final = 16
MAX_KEY_CHARACTERS: Final = 1024
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH

_MAKE_ONE: Final = "(umask 077; openssl rand -hex 32 > workmill.key)"


def read_key(file: str | None) -> str | None:
    """The key in this file without the blanks around it; None when no file is named.

    Raises InvalidInput when the file cannot be read, can be read by others, or holds no key
    of 16 to 1024 printable characters.
    """
    if file is None:
        return None
    try:
        mode = Path(file).stat().st_mode
        key = Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The key file {file!r} cannot be read: {error}. Nothing was started. "
            f"Make one with: {_MAKE_ONE}"
        ) from None
    if mode & _OTHERS:
        raise InvalidInput(
            f"Every user of this machine can reach the key in {file!r}. Nothing was started. "
            f"Close it with: chmod o= {file}"
        )
    if not MIN_KEY_CHARACTERS <= len(key) <= MAX_KEY_CHARACTERS or not _is_one_word(key):
        raise InvalidInput(
            f"The key file {file!r} does not hold one word of {MIN_KEY_CHARACTERS} to "
            f"{MAX_KEY_CHARACTERS} characters. Nothing was started. Make one with: {_MAKE_ONE}"
        )
    return key


def _is_one_word(key: str) -> bool:
    return key.isprintable() and not any(character.isspace() for character in key)
