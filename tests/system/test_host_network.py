"""The network of the local hosts does what its faults say, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.hosts.faults import Drop, Fault, Isolate, Refuse, Unplug
from tests.hosts.hosts import missing
from tests.hosts.network import Network, sweep
from tests.system.processes import until

A, B = "redis-1", "redis-2"
ADDRESSES = {A: "10.213.1.1", B: "10.213.1.2"}
PORT = 7000
SILENCE_SECONDS = 0.3

pytestmark = pytest.mark.skipif(
    bool(missing()) and os.environ.get("CI") != "true", reason="needs root, iproute2 and nftables"
)


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(ADDRESSES) as made:
        yield made


def arrives(network: Network, source: str, target: str) -> bool:
    """Whether a datagram of one reaches the other."""
    with ExitStack() as doors:
        with network.inside(target):
            door = doors.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            door.bind((ADDRESSES[target], PORT))
            door.settimeout(SILENCE_SECONDS)
        with network.inside(source):
            sender = doors.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            sender.sendto(b"heard?", (ADDRESSES[target], PORT))
            return door.recv(16) == b"heard?"
        except OSError:
            return False


@pytest.mark.parametrize(
    ("fault", "there", "back"),
    [
        (Isolate(A), False, False),
        (Unplug(A), False, False),
        (Drop(A, B), False, True),
        (Drop(B, A), True, False),
    ],
)
def test_a_fault_cuts_what_it_says(network: Network, fault: Fault, there: bool, back: bool) -> None:
    """One-sided faults are one-sided, and healing undoes them all."""
    until(lambda: arrives(network, A, B))
    network.apply(fault)
    assert (arrives(network, A, B), arrives(network, B, A)) == (there, back)
    network.heal()
    until(lambda: arrives(network, A, B))
    until(lambda: arrives(network, B, A))


def test_one_port_is_refused(network: Network) -> None:
    """From one side alone; another port, and the other way, are as they were."""
    network.apply(Refuse(A, B, PORT))
    with ExitStack() as doors:
        for name, port in ((B, PORT), (B, PORT + 1), (A, PORT)):
            with network.inside(name):
                doors.enter_context(socket.create_server((ADDRESSES[name], port)))
        until(lambda: connects(network, A, B, PORT + 1))
        assert not connects(network, A, B, PORT)
        until(lambda: connects(network, B, A, PORT))
        network.heal()
        until(lambda: connects(network, A, B, PORT))


def connects(network: Network, source: str, target: str, port: int) -> bool:
    with network.inside(source), suppress(OSError):
        socket.create_connection((ADDRESSES[target], port), 1).close()
        return True
    return False


KILLED = """
import os, signal
from tests.hosts.network import Network
network = Network({"redis-1": "10.213.1.1"}).__enter__()
print(network.token, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_leaves_is_swept(network: Network) -> None:
    """Its namespaces go with the next run; those of one that lives are left alone."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    left = Path("/run/netns") / f"wm{run.stdout.strip()}-{A}"
    assert left.exists()
    sweep()
    assert not left.exists()
    until(lambda: arrives(network, A, B))
