"""Settings become a running role here, and here alone concrete stores are named.

Roles are imported when they are played: a worker process never loads the endpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workmill.runtime.config import EndpointConfig, WorkerConfig
from workmill.runtime.keys import read_key, refuse_exposure
from workmill.telemetry.events import describe

if TYPE_CHECKING:
    from workmill.store.port import Store


def run_endpoint(config: EndpointConfig) -> None:
    """Serve until told to drain. Raises WorkmillError when it cannot start."""
    from workmill.endpoint import EndpointSettings, serve

    describe("endpoint")
    serve(lambda: open_store(config.data), EndpointSettings())


def run_worker(config: WorkerConfig) -> None:
    """Compute until told to drain."""
    from workmill.worker import WorkerSettings, run_worker

    describe("worker")
    run_worker(WorkerSettings(urls=config.urls, key=read_key(config.key_file)))


def open_store(data: str) -> Store:
    """The embedded store in the directory `data`, made if it is not there."""
    from workmill.store.sqlite import SqliteStore

    return SqliteStore(Path(data))


def check_endpoint(config: EndpointConfig) -> None:
    """Refuse what can be refused before anything is started. Raises InvalidInput."""
    key = read_key(config.key_file)
    refuse_exposure(config.host, has_key=key is not None, open_without_key=config.open_without_key)
