"""Asking Sentinels and data servers, as the user `deploy`, over TLS with our own authority."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workmill.runtime.redis_hosts.judging import Peer, Replication
from workmill.runtime.redis_hosts.plan import Host
from workmill.runtime.redis_hosts.rendering import HostSettings

ANSWER_SECONDS: Final = 1.0
NOT_ANSWERED: Final = (redis.RedisError, OSError)


class Asking:
    """Short questions over connections that stay open (a handshake costs more than an answer);
    who does not answer in time is None."""

    def __init__(self, settings: HostSettings) -> None:
        self._open: dict[tuple[str, int], redis.Redis] = {}
        self._plan = settings.plan
        self._own = settings.host
        self._tls = Path(settings.plan.places.configuration) / "tls"

    def named_primaries(self) -> list[str | None]:
        """The primary's address as each Sentinel gives it."""
        return [self._named_by(host.address) for host in self._plan.hosts]

    def peers(self) -> list[Peer]:
        """The other hosts' data servers that answer."""
        others = [host.address for host in self._plan.hosts if host != self._own]
        return [peer for address in others if (peer := self._peer(address)) is not None]

    def replication(self, host: Host | None = None) -> Replication | None:
        """What this host's own data server says, or another's; None while it does not answer or
        still loads."""
        try:
            server = self._server((host or self._own).address)
            info: dict[str, Any] = server.info()
            priority: Any = info.get("slave_priority")
            if priority is None:  # a primary does not tell it
                priority = server.config_get("replica-priority")["replica-priority"]
        except NOT_ANSWERED:
            return None
        if info["loading"]:
            return None
        return Replication(
            is_primary=info["role"] == "master",
            link_up=info.get("master_link_status") == "up",
            copying=info.get("master_sync_in_progress", 0) == 1,
            priority=int(priority),
        )

    def set_priority(self, priority: int) -> bool:
        """Tell this host's own data server; False when it did not answer."""
        return self._told("CONFIG", "SET", "replica-priority", str(priority))

    def follow(self, address: str) -> bool:
        """Make this host's own data server a replica of that one; False when it did not answer."""
        return self._told("REPLICAOF", address, str(self._plan.redis_port))

    def _told(self, *words: str) -> bool:
        server: Any = self._server(self._own.address)
        try:
            server.execute_command(*words)
        except NOT_ANSWERED:
            return False
        return True

    def _named_by(self, address: str) -> str | None:
        try:
            sentinel = self._connected(address, self._plan.sentinel_port)
            found: Any = sentinel.sentinel_get_master_addr_by_name(self._plan.name)
        except NOT_ANSWERED:
            return None
        return str(found[0]) if found else None

    def _peer(self, address: str) -> Peer | None:
        try:
            server = self._server(address)
            return Peer(address, server.role()[0] == "master", int(server.dbsize()))
        except NOT_ANSWERED:
            return None

    def _server(self, address: str) -> redis.Redis:
        return self._connected(address, self._plan.redis_port)

    def close(self) -> None:
        for connected in self._open.values():
            connected.close()
        self._open.clear()

    def _connected(self, address: str, port: int) -> redis.Redis:
        if (address, port) not in self._open:
            self._open[address, port] = self._connection(address, port)
        return self._open[address, port]

    def _connection(self, address: str, port: int) -> redis.Redis:
        return redis.Redis(
            host=address,
            port=port,
            username="deploy",
            password=self._plan.passwords.deploy,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
            ssl=True,
            ssl_ca_certs=str(self._tls / "ca.crt"),
            ssl_certfile=str(self._tls / "host.crt"),
            ssl_keyfile=str(self._tls / "host.key"),
        )
