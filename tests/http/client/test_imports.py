"""A client in use imports nothing: an import that a fork cuts in two never ends in the child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.http.client.live import Live

USE = """
import asyncio, sys
from pathlib import Path
from workmill import AsyncClient, Client

class Asked:
    names = []

    def find_spec(self, name, path=None, target=None):
        self.names.append(name)

url, file, kind = sys.argv[1:]
Path(file).write_bytes(b"y" * 100_000)
client = {"Client": Client, "AsyncClient": AsyncClient}[kind](url)
sys.meta_path.insert(0, Asked())

def use():
    client.submit(b"x", 3).result(60)
    for handle in client.submit_many([b"a", b"b", Path(file)], 2):
        handle.result(60)
    client.cancel_many([handle.id])
    client.acknowledge(client.pull(5))
    client.backup(file)
    client.stats()

async def use_awaited():
    await (await client.submit(b"z", 3)).result(60)
    handles = [handle async for handle in client.submit_many([b"c", Path(file)], 2)]
    await asyncio.gather(*(handle.result(60) for handle in handles))
    await client.cancel_many([handles[0].id])
    await client.acknowledge(await client.pull(5))
    await client.backup(file)
    await client.stats()
    await client.close()

use() if kind == "Client" else asyncio.run(use_awaited())
print(*Asked.names)
"""

FORK = """
import os, sys, threading
from workmill.workloads.registry import find_workload

sys.path.insert(0, sys.argv[1])
os.register_at_fork(before=lambda: sys.modules["slow"].about_to_fork.set())
thread = threading.Thread(target=find_workload, args=["slow"])
thread.start()
while not hasattr(sys.modules.get("slow"), "about_to_fork"):
    pass
child = os.fork()
if child == 0:
    find_workload("slow")
    os._exit(0)
thread.join()
print(os.waitpid(child, 0)[1])
"""

SLOW = """
import threading
about_to_fork = threading.Event()
about_to_fork.wait()
sum(range(3_000_000))  # so long that the fork is over, if it does not wait
WORKLOAD = object()
"""


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_client_in_use_looks_for_no_module(live: Live, tmp_path: Path, kind: str) -> None:
    """Neither for one that is there nor, at every step, for one that is not; each of the clients
    by itself, in a program that has not made the other."""
    done = subprocess.run(
        [sys.executable, "-c", USE, live.url, str(tmp_path / "file"), kind],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.split() == []


def test_a_fork_waits_for_a_workload_that_is_being_imported(tmp_path: Path) -> None:
    """The child would wait for an import whose thread it does not have."""
    (tmp_path / "slow.py").write_text(SLOW)
    described = tmp_path / "slow-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: slow\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[workmill.workloads]\nslow = slow:WORKLOAD\n")
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.split() == ["0"]
