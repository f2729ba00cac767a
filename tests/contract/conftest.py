"""Every test here runs against every store; each store is one entry of STORES."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.stand import OpenStore, Stand

from workmill.domain.clock import Clock
from workmill.store.port import Store
from workmill.store.sqlite import SqliteStore


def open_sqlite(directory: Path, clock: Clock) -> Store:
    return SqliteStore(directory, clock=clock)


STORES: dict[str, OpenStore] = {"sqlite": open_sqlite}


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    return STORES[request.param]


@pytest.fixture
def stand(open_store: OpenStore, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(open_store, tmp_path / "store")
    yield made
    made.store.close()
