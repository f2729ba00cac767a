"""The C of the kernel under ASan and UBSan, and the install without a compiler."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

import workmill.workloads.sha512

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
KERNEL = Path(workmill.workloads.sha512.__file__).parent
NO_SUCH_VARIANT = 3


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plain C and its driver, built with the sanitizers; any finding ends the program."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        assert not os.environ.get("CI"), "CI must run the kernel under the sanitizers: no compiler"
        pytest.skip("no C compiler here")
    program = tmp_path_factory.mktemp("sanitized") / "sanitized"
    subprocess.run(
        [
            *(compiler, "-std=c11", "-O0", "-g", "-Wall", "-Wextra", "-Werror"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{KERNEL}"),
            *(str(HERE / "sanitized.c"), str(KERNEL / "chains.c"), "-o", str(program)),
        ],
        check=True,
    )
    return program


def mixes() -> list[list[int]]:
    """Counts that make lanes end together, one by one, not at all, and outnumber the lanes."""
    seeded = random.Random(512)
    return [
        [],
        [0],
        [0] * 20,
        [3],
        [2] * 9,
        list(range(30)),
        *([seeded.randrange(12) for _ in range(number)] for number in range(1, 24)),
    ]


def run_case(program: Path, variant: int, counts: list[int]) -> tuple[int, bytes, list[bytes]]:
    seeded = random.Random(len(counts))
    states = [seeded.randbytes(64) for _ in counts]
    case = array("Q", [len(counts), *counts]).tobytes() + b"".join(states)
    ended = subprocess.run(
        [str(program), str(variant)], input=case, capture_output=True, timeout=60, check=False
    )
    assert ended.returncode in {0, NO_SUCH_VARIANT}, ended.stderr.decode()[-2000:]
    return ended.returncode, ended.stdout, states


@pytest.mark.parametrize("counts", mixes(), ids=len)
def test_the_sanitizers_find_nothing(sanitized: Path, counts: list[int]) -> None:
    """Promise: no variant steps outside its memory or the language, and all are right."""
    variant = 0
    while True:
        code, output, wanted = run_case(sanitized, variant, counts)
        if code == NO_SUCH_VARIANT:
            break
        for index, count in enumerate(counts):
            for _ in range(count):
                wanted[index] = hashlib.sha512(wanted[index]).digest()
        assert output == b"".join(wanted)
        variant += 1
    assert variant > 0


def test_without_the_extension_hashlib_computes_the_same() -> None:
    """Promise: where the C kernel is missing everything still works, and its name says so."""
    program = """
import hashlib, sys
sys.modules["workmill.workloads.sha512._chains"] = None
from workmill.domain.errors import InvalidInput
from workmill.workloads.sha512 import WORKLOAD, kernel_name
twice = hashlib.sha512(hashlib.sha512(bytes(64)).digest()).digest()
assert WORKLOAD.advance([bytes(64)] * 2, [0, 2]) == [bytes(64), twice]
try:
    WORKLOAD.advance([bytes(64)], [True])
except InvalidInput:
    print(kernel_name(), WORKLOAD.lanes)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "hashlib 1\n"


def test_the_build_succeeds_without_a_compiler(tmp_path: Path) -> None:
    """Promise: no compiler is no obstacle to the install; there is just no extension after it."""
    ended = subprocess.run(
        [
            *(sys.executable, "setup.py", "build_ext", "--force"),
            *("--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")),
        ],
        cwd=ROOT,
        env={**os.environ, "CC": "/bin/false"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert not list(tmp_path.rglob("*.so"))
