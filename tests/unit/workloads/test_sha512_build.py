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
            *(str(HERE / "sanitized.c"), str(KERNEL / "chains.c"), str(KERNEL / "messages.c")),
            *("-o", str(program)),
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


def by_every_variant(program: Path, verb: str, sizes: list[int], data: list[bytes]) -> list[bytes]:
    """What each variant here makes of the case; fails on any finding of the sanitizers."""
    case = array("Q", [len(sizes), *sizes]).tobytes() + b"".join(data)
    outputs: list[bytes] = []
    while True:
        command = [str(program), verb, str(len(outputs))]
        ended = subprocess.run(command, input=case, capture_output=True, timeout=60, check=False)
        if ended.returncode == NO_SUCH_VARIANT:
            break
        assert ended.returncode == 0, ended.stderr.decode()[-2000:]
        outputs.append(ended.stdout)
    assert outputs
    return outputs


@pytest.mark.parametrize("counts", mixes(), ids=len)
def test_the_sanitizers_find_nothing(sanitized: Path, counts: list[int]) -> None:
    """Promise: no variant steps outside its memory or the language, and all are right."""
    seeded = random.Random(len(counts))
    states = [seeded.randbytes(64) for _ in counts]
    outputs = by_every_variant(sanitized, "advance", counts, states)
    for index, count in enumerate(counts):
        for _ in range(count):
            states[index] = hashlib.sha512(states[index]).digest()
    assert set(outputs) == {b"".join(states)}


LENGTHS = [0, 1, 111, 112, 127, 128, 129, 239, 240, 255, 256, 257, 1000]


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        *([length] for length in LENGTHS),
        LENGTHS,
        LENGTHS[::-1],
        [128] * 21,
        [*range(0, 300, 7)],
    ],
    ids=len,
)
def test_the_sanitizers_find_nothing_in_the_folding(sanitized: Path, lengths: list[int]) -> None:
    """Promise: no variant reads past the end of a body or writes outside, and all are right."""
    seeded = random.Random(len(lengths))
    bodies = [seeded.randbytes(length) for length in lengths]
    outputs = by_every_variant(sanitized, "fold", lengths, bodies)
    assert set(outputs) == {b"".join(hashlib.sha512(body).digest() for body in bodies)}


def test_without_the_extension_hashlib_computes_the_same() -> None:
    """Promise: where the C kernel is missing everything still works, and its name says so."""
    program = """
import hashlib, sys
sys.modules["workmill.workloads.sha512._chains"] = None
from workmill.domain.errors import InvalidInput
from workmill.workloads.sha512 import WORKLOAD, kernel_name
twice = hashlib.sha512(hashlib.sha512(bytes(64)).digest()).digest()
assert WORKLOAD.advance([bytes(64)] * 2, [0, 2]) == [bytes(64), twice]
assert WORKLOAD.fold_all([b"", b"x"]) == [hashlib.sha512(x).digest() for x in (b"", b"x")]
try:
    WORKLOAD.advance([bytes(64)], [True])
except InvalidInput:
    print(kernel_name(), WORKLOAD.lanes)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "WORKMILL_KERNEL": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
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
