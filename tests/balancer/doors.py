"""A real HAProxy with the configuration that is shipped, on loopback, and what is behind it."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.processes import PATIENCE_SECONDS, free_port, until
from tests.system.roles import Role

from workmill.controller.balancer import Member, Place, Standing
from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.errors import Unavailable

SHIPPED = Path(__file__).parents[2] / "deploy" / "haproxy"
CONFIG = SHIPPED / "haproxy.cfg"


def binary() -> str:
    """HAProxy's path. Without it the test is skipped, and fails in CI."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("haproxy is not installed")
    pytest.skip("haproxy is not installed")


class Door:
    """HAProxy as it is shipped: master and worker, its admin socket in `folder`."""

    def __init__(self, folder: Path, extra: Mapping[str, str]) -> None:
        self.port = free_port()
        self.log = folder / "haproxy.log"
        self._settings = {
            "WORKMILL_USER": getpass.getuser(),
            "WORKMILL_BIND": f"127.0.0.1:{self.port}",
            "WORKMILL_ADMIN": str(folder / "admin.sock"),
            "WORKMILL_METRICS": str(folder / "figures.sock"),
            "WORKMILL_STATE": str(folder / "slots"),
            **extra,
        }
        self.balancer = HAProxy(folder / "admin.sock")
        self._process = Role(self.log, [binary(), "-W", "-f", str(CONFIG)], self._settings)
        until(self._answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, *places: Place) -> None:
        """Add them and wait until the balancer has seen each ready."""
        for place in places:
            asyncio.run(self.balancer.add(place))
        for place in places:
            self.wait_for(place, "serving")

    def member(self, place: Place) -> Member | None:
        members = asyncio.run(self.balancer.members())
        return next((member for member in members if member.place == place), None)

    def wait_for(self, place: Place, standing: Standing) -> None:
        """Return when the balancer itself says that this endpoint stands so."""
        until(lambda: (member := self.member(place)) and member.standing == standing)

    def reload(self) -> None:
        """As a person does it; return when the new process answers and the old has been told."""
        before = self.log.read_text().count("Loading success")
        subprocess.run(
            [sys.executable, str(SHIPPED / "reload"), str(self._process.pid)],
            env={**os.environ, **self._settings},
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        until(lambda: self.log.read_text().count("Loading success") > before)
        until(self._answers)

    def close(self) -> None:
        self._process.end(signal.SIGTERM)

    def _answers(self) -> bool:
        assert self._process.alive, self.log.read_text()[-2000:]
        try:
            asyncio.run(self.balancer.members())
        except Unavailable:
            return False
        return True


@contextmanager
def open_door(folder: Path, **extra: str) -> Iterator[Door]:
    """A door with nobody behind it yet."""
    door = Door(folder, extra)
    try:
        yield door
    finally:
        door.close()
