"""The seal of a backup: the last 32 bytes are the SHA-256 of everything before them.

SQLite's own check finds torn pages, not flipped bits in a value. The seal stands behind the last
page, where SQLite does not look, with a line before it that says what the file is; the digest
covers that line too. Backups from before there was a seal have none, and cannot be told from ones
whose seal was cut off but by what SQLite keeps in their head (`schema.BACKUP_ID`).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

LINE: Final = b"\nWorkmill backup of a SQLite store, layout 2.\n"
DIGEST_BYTES: Final = 32
_CHUNK_BYTES: Final = 1024 * 1024


def seal(path: Path) -> None:
    """Put the seal behind a whole file."""
    with path.open("r+b") as file:
        digest = _digest_of(file, os.fstat(file.fileno()).st_size)
        digest.update(LINE)
        file.seek(0, os.SEEK_END)
        file.write(LINE + digest.digest())


def is_sealed(path: Path) -> bool:
    """Whether the file has a seal. Raises ValueError, saying so, when it does not fit the file."""
    with path.open("rb") as file:
        body = os.fstat(file.fileno()).st_size - DIGEST_BYTES
        if body < len(LINE):
            return False
        file.seek(body - len(LINE))
        if file.read(len(LINE)) != LINE:
            return False
        kept = file.read(DIGEST_BYTES)
        file.seek(0)
        if _digest_of(file, body).digest() != kept:
            raise ValueError("is damaged: its checksum is another")
    return True


def _digest_of(file: BinaryIO, size: int) -> hashlib._Hash:
    digest = hashlib.sha256()
    while size and (chunk := file.read(min(size, _CHUNK_BYTES))):
        digest.update(chunk)
        size -= len(chunk)
    return digest
