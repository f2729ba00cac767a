"""Real redis-servers for tests: one alone, a primary with replicas, and Sentinels that watch them.

All on loopback, on free ports, in directories of their own, with short times: a primary that is
silent for `DOWN_AFTER_MS` is replaced. Every server here can be killed (kill -9), paused
(SIGSTOP), resumed, and started again on its data.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from tests.system.processes import free_port, until

from workmill.store.redis import RedisStore
from workmill.store.redis.acknowledgement import Judgement, Level, Picture, judge
from workmill.store.redis.addresses import Access, Address, Node, parse_address
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.lua_library import load
from workmill.store.redis.open_store import TAG
from workmill.store.redis.primary_link import RedisLink
from workmill.store.redis.replication_info import Role, read_role

DOWN_AFTER_MS: Final = 600
NAME: Final = "mill"
LASTING: Final = {"appendonly": "yes", "appendfsync": "always"}
_IN_MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - for mkdtemp
"""Where there is such a folder: what is tried there is not the disk."""
_QUICK: Final = {
    "save": "",
    "repl-diskless-sync-delay": "0",
    "repl-ping-replica-period": "1",
    "repl-timeout": "5",
}


class RedisServer:
    """One redis-server process (or a Sentinel, which is one too) and its directory."""

    def __init__(
        self,
        directory: Path,
        settings: dict[str, str],
        rules: str = "",
        *,
        words: str = "",
        access: Access = Access(),  # noqa: B008 - a value, never changed
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.node = Node("127.0.0.1", free_port())
        self.directory = directory
        self._words = words.split()
        self._config = directory / "redis.conf"
        self.access = access
        ports = {"port": "0", "tls-port": str(self.node.port)}
        about = {"bind": "127.0.0.1", "dir": str(directory)}
        about |= ports if access.tls else {"port": str(self.node.port)}
        lines = [f'{name} "{value}"' for name, value in (about | settings).items()]
        self._config.write_text("\n".join(lines) + "\n" + rules)
        self.start()

    def start(self) -> None:
        """Start it, again after a kill, and return when it answers."""
        with (self.directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", str(self._config), *self._words], stdout=log, stderr=log
            )
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.directory / "redis.log").read_text()[-2000:]
        try:
            self.ask("PING")
        except (Silent, Refused):
            return False
        return True

    def ask(self, *words: bytes | str | int) -> Any:
        """One command over a connection of its own."""
        with connected(self.node, self.access) as connection:
            return connection.ask(*words)

    def role(self) -> Role:
        return read_role(self.ask("ROLE"))

    @property
    def address(self) -> Address:
        return Address(nodes=(self.node,), access=self.access)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def start_following(self, primary: Node) -> None:
        """Start it as a replica, as a host does that asks the Sentinels first."""
        with self._config.open("a") as config:
            config.write(f"\nreplicaof {primary.host} {primary.port}\n")
        self.start()

    def follow(self, primary: Node) -> None:
        """Turn it round, as whoever hears of a failover does to the old primary."""
        self.ask("REPLICAOF", *primary)
        self.ask("CONFIG", "REWRITE")

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def connected(node: Node, access: Access) -> Iterator[Connection]:
    connection = Connection(node, access)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def running_redis(
    directory: Path,
    settings: dict[str, str] | None = None,
    access: Access = Access(),  # noqa: B008 - a value, never changed
) -> Iterator[RedisServer]:
    """One server, until it is left; by default it syncs its log before it replies."""
    if not shutil.which("redis-server"):
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without("redis-server is not installed")
    server = RedisServer(directory, _QUICK | LASTING | (settings or {}), access=access)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def folder() -> Iterator[Path]:
    """A short path in memory: a socket's may not be long."""
    made = Path(tempfile.mkdtemp(prefix="workmill-redis-", dir=_IN_MEMORY))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def redis_on_socket(directory: Path) -> Iterator[str]:
    """One server, reached through a socket in its directory; gives its URL."""
    path = directory / "redis.sock"
    with running_redis(directory, {"unixsocket": str(path)}):
        yield f"redis+unix://{path}"


def client_of(url: str) -> redis.Redis:
    """A plain client of the server there, for a look past the store."""
    return redis.Redis.from_url(url.removeprefix("redis+"))


def link_to(url: str, tag: str) -> RedisLink:
    """A way to the store under this tag."""
    return RedisLink(parse_address(url), tag, prepare=load)


def store_at(
    address: Address,
    *,
    level: Level | None = None,
    verdict: Callable[[Picture], Judgement] = judge,
    heals_ms: int = 0,
) -> RedisStore:
    """The store there, without the layer that submits again after a failover. With `heals_ms` it
    goes on all the same when so much of what was acknowledged is lost."""
    connect = partial(RedisLink, address, TAG, level=level, prepare=load, verdict=verdict)
    return RedisStore(connect, heals_ms=heals_ms)


class ReplicatedRedis:
    """A primary, its replicas and, where there are any, the Sentinels that watch them."""

    def __init__(self, servers: Sequence[RedisServer], sentinels: Sequence[RedisServer]) -> None:
        self.servers = list(servers)
        self.sentinels = list(sentinels)

    @property
    def address(self) -> Address:
        if not self.sentinels:
            return self.servers[0].address
        return Address(nodes=tuple(one.node for one in self.sentinels), name=NAME)

    @property
    def url(self) -> str:
        return str(self.address)

    def primary(self) -> RedisServer:
        """The server that the Sentinels hold for the primary, when it holds itself for one."""
        found: list[RedisServer] = until(lambda: [one for one in self.servers if self._leads(one)])
        return found[0]

    def _leads(self, server: RedisServer) -> bool:
        if not self.sentinels:
            return server is self.servers[0]
        try:
            return self.told() == server.node and server.role().is_primary
        except (Silent, Refused):
            return False

    def told(self) -> Node | None:
        """Where most Sentinels send whoever asks for the primary."""
        said = []
        for sentinel in self.sentinels:
            try:
                host, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                said.append(Node(host.decode(), int(port)))
            except (Silent, Refused):
                continue
        most = max(said, key=said.count, default=None)
        return most if most and said.count(most) * 2 > len(self.sentinels) else None

    def replicas(self) -> list[RedisServer]:
        primary = self.primary()
        return [one for one in self.servers if one is not primary]

    def whole(self) -> bool:
        """Whether every server but one follows that one, and has caught up with it."""
        try:
            roles = {one.node: one.role() for one in self.servers}
        except (Silent, Refused):
            return False
        return any(
            len(role.replicas) == len(roles) - 1
            for node, role in roles.items()
            if role.is_primary and (not self.sentinels or self.told() == node)
        )

    def settle(self) -> None:
        """Return when everybody follows one primary and every Sentinel knows all the others."""
        until(self.whole)
        until(lambda: all(self._knows_all(one) for one in self.sentinels))

    def _knows_all(self, sentinel: RedisServer) -> bool:
        try:
            reply = sentinel.ask("SENTINEL", "MASTER", NAME)
        except (Silent, Refused):
            return False
        about = dict(zip(reply[::2], reply[1::2], strict=True))
        replicas, others = int(about[b"num-slaves"]), int(about[b"num-other-sentinels"])
        return replicas >= len(self.servers) - 1 and others >= len(self.sentinels) - 1


@contextmanager
def running_replicas(
    directory: Path,
    *,
    replicas: int = 2,
    sentinels: int = 0,
    down_after_ms: int = DOWN_AFTER_MS,
    settings: dict[str, str] | None = None,
) -> Iterator[ReplicatedRedis]:
    """A primary with replicas, and Sentinels if asked for, from their agreement on."""
    with ExitStack() as stack:
        servers = [stack.enter_context(running_redis(directory / "data0", settings))]
        follow = {"replicaof": f"127.0.0.1 {servers[0].node.port}"} | (settings or {})
        for number in range(1, replicas + 1):
            one = running_redis(directory / f"data{number}", follow)
            servers.append(stack.enter_context(one))
        cluster = ReplicatedRedis(servers, [])
        cluster.settle()
        for number in range(sentinels):
            one = _sentinel(directory / f"sentinel{number}", servers[0].node, down_after_ms)
            cluster.sentinels.append(stack.enter_context(one))
        cluster.settle()
        yield cluster


@contextmanager
def _sentinel(directory: Path, primary: Node, down_after_ms: int) -> Iterator[RedisServer]:
    rules = (
        f"sentinel monitor {NAME} {primary.host} {primary.port} 2\n"
        f"sentinel down-after-milliseconds {NAME} {down_after_ms}\n"
        f"sentinel failover-timeout {NAME} 5000\n"
        f"sentinel parallel-syncs {NAME} 2\n"
    )
    server = RedisServer(directory, {}, rules, words="--sentinel")
    try:
        yield server
    finally:
        server.kill()
