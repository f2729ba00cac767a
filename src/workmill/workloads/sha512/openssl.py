"""The bench's rival: a C loop over OpenSSL's own block function, compiled on the spot.

It needs libcrypto and a C compiler; without either there is no such rival, and no error.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

SOURCE = Path(__file__).with_name("openssl_blocks.c")


def blocks() -> Callable[[int], bytes] | None:
    """A function that iterates SHA-512 on one fixed state, or None where it cannot be had."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _loop(_compiled(Path(folder)), _libcrypto())
    except (OSError, AttributeError, subprocess.SubprocessError):
        return None


def _compiled(folder: Path) -> ctypes.CDLL:
    library = folder / "openssl_blocks.so"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run(
        [*compiler, "-O2", "-shared", "-fPIC", str(SOURCE), "-o", str(library)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return ctypes.CDLL(str(library))


def _libcrypto() -> ctypes.CDLL:
    name = find_library("crypto")
    if name is None:
        raise FileNotFoundError("libcrypto")
    return ctypes.CDLL(name)


def _loop(ours: ctypes.CDLL, libcrypto: ctypes.CDLL) -> Callable[[int], bytes]:
    init = ctypes.cast(libcrypto.SHA512_Init, ctypes.c_void_p)
    transform = ctypes.cast(libcrypto.SHA512_Transform, ctypes.c_void_p)

    def run(iterations: int) -> bytes:
        state = ctypes.create_string_buffer(bytes(range(64)), 64)
        ours.openssl_blocks(init, transform, state, ctypes.c_uint64(iterations))
        return state.raw

    return run
