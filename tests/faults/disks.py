"""Disks in a file: made, mounted, copied as a power cut would leave them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IMAGE_BYTES = 96 * 1024 * 1024

needs_disks = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="needs root and mkfs.ext4"
)


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, at)
    try:
        yield at
    finally:
        run("umount", at)


def empty(image: Path) -> None:
    """Make it an empty ext4 file system."""
    with image.open("ab") as disk:
        disk.truncate(max(IMAGE_BYTES, image.stat().st_size))
    run("mkfs.ext4", "-q", "-F", image)
