"""Settings become a running role here, and here alone concrete stores are named.

Roles are imported when they are played: a worker process never loads the endpoint.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workmill.domain.errors import InvalidInput
from workmill.endpoint.settings import EndpointSettings, check_exposure
from workmill.runtime.config import EndpointConfig, WorkerConfig
from workmill.runtime.key_file import read_key
from workmill.telemetry.role_start import begin

if TYPE_CHECKING:
    from workmill.store.port import Store


def run_endpoint(config: EndpointConfig) -> None:
    """Serve until told to drain. Raises WorkmillError when it cannot start or go on."""
    from workmill.endpoint import serve

    begin("endpoint")
    serve(lambda: open_store(config), endpoint_settings(config))


def endpoint_settings(config: EndpointConfig) -> EndpointSettings:
    """What the endpoint is told. Raises InvalidInput for a bad key, or none where one is due, and
    for a store that is no address."""
    where_kept(config)
    key = read_key(config.key_file)
    secret = None if key is None else key.encode()
    check_exposure(config.host, secret, open_without_key=config.open_without_key)
    return EndpointSettings(
        host=config.host,
        port=config.port,
        listen_fd=config.listen_fd,
        key=secret,
        directory="/" if config.store else config.data,
        log_file=None if config.store else _log_file(config.data),
        toward=_store_host(config),
        max_body_bytes=config.max_body_bytes,
        max_iterations=config.max_iterations,
        notice_seconds=config.notice_seconds,
    )


def _log_file(data: str) -> str:
    """SQLite's log beside the database."""
    from workmill.store.sqlite.ownership import FILE_NAME, LOG_SUFFIX

    return str(Path(data) / f"{FILE_NAME}{LOG_SUFFIX}")


def _store_host(config: EndpointConfig) -> str | None:
    """Where the first server of a Redis store is that is not behind a socket file."""
    if not config.store:
        return None
    from workmill.store.redis.addresses import UNIX_PORT, parse_addresses

    nodes = (node for address in parse_addresses(config.store) for node in address.nodes)
    return next((node.host for node in nodes if node.port != UNIX_PORT), None)


def run_worker(config: WorkerConfig) -> None:
    """Compute until told to drain. Raises WorkmillError when it must give up."""
    from workmill.worker import WorkerSettings, run_worker

    begin("worker")
    read = partial(read_key, config.key_file) if config.key_file else None
    run_worker(WorkerSettings(urls=config.urls, read_key=read))


def open_store(config: EndpointConfig) -> Store:
    """The embedded store in its directory, made if it is not there, or the Redis that is named, or
    the several that are its parts.
    Raises InvalidInput for what is no address."""
    if not config.store:
        from workmill.runtime.data_directory import check_kept, directory_of_up
        from workmill.store.sqlite import SqliteStore

        if not config.may_found:
            check_kept(config.data)
        directory_of_up(config.data)
        return SqliteStore(Path(config.data))
    from workmill.store.redis.acknowledgement import Level
    from workmill.store.redis.addresses import parse_addresses
    from workmill.store.redis.open_store import open_redis

    addresses = parse_addresses(config.store)
    level = Level(config.durability) if config.durability else None
    if len(addresses) == 1:
        return open_redis(addresses[0], level=level, may_found=config.may_found)
    from workmill.store.sharded.open_shards import open_sharded

    return open_sharded(addresses, level=level, may_found=config.may_found)


def where_kept(config: EndpointConfig) -> str:
    """Where the jobs are, in words that may be shown: without passwords. Raises InvalidInput."""
    if not config.store:
        if config.durability:
            raise InvalidInput("--durability is for a Redis store; a directory is always synced.")
        return config.data
    from workmill.store.redis.addresses import parse_addresses

    return ", ".join(map(str, parse_addresses(config.store)))
