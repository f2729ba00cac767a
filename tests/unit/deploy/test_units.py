"""The units in deploy/systemd/ and deploy/aws/, judged by systemd's own tools; none has to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
UNITS = sorted([*(DEPLOY / "systemd").glob("*.service"), *(DEPLOY / "aws").glob("*.service")])
MAX_EXPOSURE = 1.5
"""Of 10; systemd calls up to 2 safe. What is left is what a network service is for."""
PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1
pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze") and os.environ.get("CI") != "true",
    reason="needs systemd-analyze",
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_systemd_knows_every_word(tmp_path: Path) -> None:
    """No setting is misspelt or stands in the wrong section."""
    for unit in UNITS:
        text = re.sub(r"/opt/workmill/.venv/bin/\w+", "/usr/bin/env", unit.read_text())
        (tmp_path / unit.name.replace("@", "@1")).write_text(text)
    run = analyze("verify", *map(str, sorted(tmp_path.glob("*.service"))))
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_little_is_open(unit: Path) -> None:
    """systemd's own score of what a taken-over service could still do."""
    said = analyze("security", "--offline=true", "--no-pager", str(unit)).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= MAX_EXPOSURE


@pytest.mark.parametrize("role", ["endpoint", "worker@"])
def test_who_serves_strangers_cannot_ask_for_the_machines_rights(role: str) -> None:
    """A cloud's metadata service gives them to every process that reaches it."""
    lines = (DEPLOY / "systemd" / f"workmill-{role}.service").read_text().splitlines()
    assert "IPAddressDeny=169.254.169.254 fd00:ec2::254" in lines


def test_memory_is_never_written_and_executed() -> None:
    """`MemoryDenyWriteExecute` breaks programs that make code as they run. Ours do not: event
    loop, codecs and the hash kernel do their work under the same rule, where the kernel has it."""
    program = (
        "import ctypes\n"
        f"ctypes.CDLL(None).prctl({PR_SET_MDWE}, {PR_MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0)\n"
        "import asyncio, apsw, hiredis, msgspec, uvloop\n"
        "from workmill.workloads.sha512 import WORKLOAD\n"
        "with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:\n"
        "    runner.run(asyncio.sleep(0))\n"
        "print(len(WORKLOAD.advance([WORKLOAD.fold([b'x'])], [1000])[0]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.stdout, run.stderr) == ("64\n", "")
