"""A private network of network namespaces: one for each host, one for clients, one as the switch.

    redis-1 ──┐
    redis-2 ──┤ bridge (in the switch's namespace)
    redis-3 ──┤
    client  ──┘

The machine's own network is not touched: interfaces, addresses and rules all lie inside these
namespaces and go with them. A process comes in by `ip netns exec`, a thread by `inside`. Names
carry a random token, and a lock that lives as long as its owner: so what a killed run has left
is told from what a living one uses, and is swept away by the next.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.hosts.faults import Drop, Fault, Isolate, Slow, Unplug

CLIENT = "client"
_SWITCH = "switch"
_PREFIX = "wm"
_LOCKS = Path("/run/workmill-hosts")
_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*words: str, given: str = "") -> str:
    """The output of one command of iproute2 or nftables, which must succeed."""
    done = subprocess.run(
        words, input=given, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


class Network:
    """The namespaces, from entering to leaving; `members` maps a name to its address."""

    def __init__(self, members: dict[str, str], token: str = "") -> None:
        self.members = members
        self.token = token or secrets.token_hex(4)
        self._lock = -1

    def namespace(self, name: str) -> str:
        return f"{_PREFIX}{self.token}-{name}"

    def __enter__(self) -> Self:
        sweep()
        _LOCKS.mkdir(exist_ok=True)
        self._lock = os.open(_LOCKS / self.token, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._add_switch()
            for name, address in self.members.items():
                self._add_member(name, address)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the namespaces down; who is still inside keeps a network of nobody."""
        _remove(self.token)
        os.close(self._lock)

    def _add_switch(self) -> None:
        switch = self.namespace(_SWITCH)
        run("ip", "netns", "add", switch)
        run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "bridge", "up")

    def _add_member(self, name: str, address: str) -> None:
        space, switch = self.namespace(name), self.namespace(_SWITCH)
        run("ip", "netns", "add", space)
        peer = ["peer", "name", name, "netns", switch]
        run("ip", "-n", space, "link", "add", "eth0", "type", "veth", *peer)
        run("ip", "-n", switch, "link", "set", name, "master", "bridge", "up")
        run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", space, "link", "set", "eth0", "up")

    def command(self, name: str, *words: str) -> list[str]:
        """How `words` are run on this member; the process is then the one that they name."""
        return ["ip", "netns", "exec", self.namespace(name), *words]

    @contextmanager
    def inside(self, name: str = CLIENT) -> Iterator[None]:
        """This thread, and what it starts, is on that member; sockets stay where they are made."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(_NAMESPACES / self.namespace(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(home)
            os.close(there)

    def apply(self, fault: Fault) -> None:
        """Let this happen from now on."""
        match fault:
            case Isolate(host):
                self._rules(host, 'iifname "eth0" drop', 'oifname "eth0" drop')
            case Drop(source, target):
                self._rules(target, f"ip saddr {self.members[source]} drop")
            case Slow(host, kbit_per_second, queue_milliseconds):
                words = ["rate", f"{kbit_per_second}kbit", "burst", "16kb"]
                words += ["latency", f"{queue_milliseconds}ms"]
                space = self.namespace(host)
                run("tc", "-n", space, "qdisc", "replace", "dev", "eth0", "root", "tbf", *words)
            case Unplug(host):
                run("ip", "-n", self.namespace(host), "link", "set", "eth0", "down")

    def _rules(self, host: str, incoming: str, outgoing: str = "") -> None:
        rules = f"""
            table inet faults {{
                chain incoming {{ type filter hook input priority 0; {incoming}; }}
                chain outgoing {{ type filter hook output priority 0; {outgoing}; }}
            }}"""
        run(*self.command(host, "nft", "-f", "-"), given=rules)

    def heal(self) -> None:
        """Undo all faults of the network."""
        for name in self.members:
            space = self.namespace(name)
            run(*self.command(name, "nft", "flush", "ruleset"))
            run("tc", "-n", space, "qdisc", "replace", "dev", "eth0", "root", "pfifo_fast")
            run("ip", "-n", space, "link", "set", "eth0", "up")


def may_make_namespaces() -> bool:
    """Whether this machine lets us; a container may not."""
    words = ["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"]
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _remove(token: str) -> None:
    for space in sorted(_NAMESPACES.glob(f"{_PREFIX}{token}-*")):
        for pid in run("ip", "netns", "pids", space.name).split():
            if int(pid) != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "delete", space.name)
    (_LOCKS / token).unlink(missing_ok=True)


def sweep() -> None:
    """Remove what runs that were killed have left: those whose lock nobody holds."""
    for lock in _LOCKS.glob("*"):
        with suppress(FileNotFoundError):
            held = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(lock.name)
            except BlockingIOError:
                pass
            finally:
                os.close(held)
