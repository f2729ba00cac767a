"""Free memory stays with the process, up to a bound."""

from __future__ import annotations

import subprocess
import sys

ROUNDS = 50
PIECES = 16
PAGES_OF_A_ROUND = PIECES * 64
_FAULTS = f"""
import resource, sys
from workmill.endpoint.malloc_settings import keep_free_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "kept":
    keep_free_memory()
source = b"x" * 256 * 1024
[source + b"y" for _ in range({PIECES})]
before = faults()
for _ in range({ROUNDS}):
    [source + b"y" for _ in range({PIECES})]
print(faults() - before)
"""


def _faults(how: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", _FAULTS, how], capture_output=True, check=True, text=True
    )
    return int(run.stdout)


def test_bodies_pass_through_memory_that_is_there() -> None:
    """Pieces of bodies that come and go take no new pages, and would without this."""
    assert _faults("kept") < PAGES_OF_A_ROUND
    assert _faults("as it was") > PAGES_OF_A_ROUND * ROUNDS // 2
