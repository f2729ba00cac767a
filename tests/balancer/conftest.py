"""Doors, and two real endpoints over one store behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.balancer.doors import Door, binary, open_door
from tests.balancer.stubs import Stub, stub
from tests.redis_servers import folder, redis_on_socket
from tests.system.processes import WORKMILL, free_port
from tests.system.roles import Role

from workmill import Client
from workmill.controller.balancer import Place


class Endpoint:
    """One endpoint process over a shared Redis."""

    def __init__(self, directory: Path, store: str) -> None:
        self.place = Place("127.0.0.1", free_port())
        words = ["endpoint", "--port", str(self.place.port), "--store", store]
        words += ["--notice-seconds", "3"]
        self.process = Role(directory / f"{self.place.port}.log", [*WORKMILL, *words], {})

    @property
    def url(self) -> str:
        return f"http://{self.place.host}:{self.place.port}"

    def client(self) -> Client:
        return Client(self.url, timeout_seconds=60)


@pytest.fixture(autouse=True)
def _has_haproxy() -> None:
    binary()


@pytest.fixture
def door() -> Iterator[Door]:
    """A balancer with no endpoint."""
    with folder() as directory, open_door(directory) as opened:
        yield opened


@pytest.fixture
def stubs() -> Iterator[tuple[Stub, Stub]]:
    """Two stubs that nobody knows yet."""
    with stub() as one, stub() as two:
        yield one, two


@pytest.fixture
def endpoints() -> Iterator[tuple[Endpoint, Endpoint]]:
    """Two endpoints over one Redis that nobody knows yet."""
    with folder() as directory, redis_on_socket(directory) as store, ExitStack() as stack:
        pair = Endpoint(directory, store), Endpoint(directory, store)
        for endpoint in pair:
            stack.callback(_end, endpoint.process)
        for endpoint in pair:
            with endpoint.client() as client:
                client.stats()
        yield pair


def _end(process: Role) -> None:
    if process.alive:
        process.kill()
