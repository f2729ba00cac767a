"""A real redis-server for the tests: one for the whole run, synced at every write."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from workmill.store.redis.addresses import parse_address
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink

QUICK = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - mkdtemp chooses the name
"""In memory where there is such a folder: what is tried here is not the disk."""
START_SECONDS = 30.0


def redis_binary() -> str:
    """The server's path. Without one the test is skipped, and fails in CI."""
    found = shutil.which("redis-server")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("redis-server is not installed")
    pytest.skip("redis-server is not installed")


def link_to(url: str, tag: str) -> RedisLink:
    """A way to the store under this tag."""
    return RedisLink(parse_address(url), tag, prepare=load)


def client_of(url: str) -> redis.Redis:
    """A plain client of the same server, for a look past the store."""
    return redis.Redis.from_url(url.removeprefix("redis+"))


@contextmanager
def running_redis(directory: Path, *words: str) -> Iterator[str]:
    """A server in `directory` on a socket there, `appendfsync always`; gives its URL."""
    binary, path = redis_binary(), directory / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--dir", str(directory)]
    command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", *words]
    with (directory / "redis.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(f"redis+unix://{path}", directory / "redis.log")
        yield f"redis+unix://{path}"
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def _wait_until_it_answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with client_of(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise TimeoutError(log.read_text()) from None
                time.sleep(0.01)
            else:
                return


@contextmanager
def folder() -> Iterator[Path]:
    """A short path in memory: a socket's may not be long."""
    made = Path(tempfile.mkdtemp(prefix="workmill-redis-", dir=QUICK))
    try:
        yield made
    finally:
        shutil.rmtree(made)
