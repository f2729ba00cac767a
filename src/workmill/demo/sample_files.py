"""Real files of this machine to work on."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

MIN_BYTES: Final = 1024
MAX_BYTES: Final = 256 * 1024
_CANDIDATES: Final = 2000
"""How many files are looked at; enough to choose from, and soon done."""


def real_files(count: int) -> list[Path]:
    """Up to `count` readable files from 1 to 256 KiB, their sizes spread evenly."""
    places = [Path("/usr/share"), Path(sysconfig.get_paths()["stdlib"])]
    found = [file for place in places for file in islice(_files(place), _CANDIDATES)]
    found.sort(key=lambda file: file.stat().st_size)
    step = max(1, len(found) // count)
    return found[step // 2 :: step][:count]


def _files(place: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(place):
        for name in names:
            file = Path(directory, name)
            if not file.is_file() or file.is_symlink() or not os.access(file, os.R_OK):
                continue
            if MIN_BYTES <= file.stat().st_size <= MAX_BYTES:
                yield file
