"""A whole cluster on one machine, as a person starts it, and what a test needs to know of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.redis_servers import connected
from tests.system.processes import Up, children, command_line, run, until

from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.readiness import all_in_step, primary_host
from workmill.redis_hosts.start import read_settings
from workmill.store.redis.addresses import Access, Node, Tls
from workmill.store.redis.connection import Connection

PROGRAMS = ("haproxy", "redis-server", "openssl")


def need_programs() -> None:
    """Without what a cluster is made of the test is skipped, and fails in CI."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    if lacking := [one for one in PROGRAMS if not shutil.which(one, path=path)]:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(f"{', '.join(lacking)} not installed")


class Cluster(Up):
    """`workmill cluster` on free ports, from its words that it is ready until it is gone."""

    command = "cluster"

    def start_again(self) -> None:
        """After its end, on the same data."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.start()

    def serving(self) -> list[int]:
        """Every process but the supervisor and HAProxy's master, which becomes the new one."""
        return [pid for pid in self.tree()[1:] if not self._is_master(pid)]

    def _is_master(self, pid: int) -> bool:
        return "haproxy" in said(pid) and pid in children(self.process.pid)

    def restart(self) -> list[str]:
        """A rolling restart; the line of each step."""
        done = run("restart", "--data", str(self.data), seconds=600)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    def events(self) -> list[dict[str, Any]]:
        """What its processes have said so far, in the order in which they said it."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @property
    def settings(self) -> Path:
        """The configuration of the first host."""
        return self.data / "store" / "redis-1"

    def primary(self) -> str:
        """The name of the host that leads the store, once the others are in step with it."""
        settings = read_settings(self.settings)
        asking = Asking(settings)
        try:
            until(lambda: all_in_step(asking, settings.plan), 80)
            host = until(lambda: primary_host(asking, settings.plan))
        finally:
            asking.close()
        return str(host.name)

    def server(self, name: str) -> int:
        """The process of this host's data server."""
        plan = read_settings(self.settings).plan
        return self.child(f"redis-server {plan.host(name).address}:{plan.redis_port}")

    @contextmanager
    def deployer(self) -> Iterator[Connection]:
        """To the first host's data server, as the user who may change its settings."""
        plan, tls = read_settings(self.settings).plan, self.settings / "tls"
        files = Tls(
            ca_file=str(tls / "ca.crt"),
            cert_file=str(tls / "host.crt"),
            key_file=str(tls / "host.key"),
        )
        access = Access(user="deploy", password=plan.passwords.deploy, tls=files)
        with connected(Node(plan.hosts[0].address, plan.redis_port), access) as connection:
            yield connection

    def child(self, words: str) -> int:
        """The child of the supervisor with these words in its command line."""
        found = [pid for pid in children(self.process.pid) if words in said(pid)]
        assert len(found) == 1, f"{words}: {found}"
        return found[0]


def said(pid: int) -> str:
    """A command line as words."""
    return command_line(pid).replace("\0", " ")
