"""Asking Sentinels and data servers, as the user `deploy`, over TLS with our own authority."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workmill.redis_hosts.data_server import ANSWER_SECONDS, Server
from workmill.redis_hosts.plan import Host
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.rules import Peer, Replication, agreed_primary

NOT_ANSWERED: Final = (redis.RedisError, OSError)


class Asking:
    """Short questions over connections that stay open (a handshake costs more than an answer);
    who does not answer in time is None."""

    def __init__(self, settings: HostSettings) -> None:
        self._open: dict[tuple[str, int], redis.Redis] = {}
        self._servers: dict[Host, Server] = {}
        self._silent: set[Host] = set()
        self._settings = settings
        self._plan = settings.plan
        self._own = settings.host
        self._tls = Path(settings.plan.places.configuration) / "tls"

    def agreed_primary(self) -> str | None:
        """The primary that a majority of Sentinels name, when there is one. Those that were
        silent are asked last, and only when it depends on them: an answer costs nothing, a
        silence a second."""
        named: list[str | None] = []
        for host in sorted(self._plan.hosts, key=lambda host: host in self._silent):
            said = self._named_by(host.address)
            (self._silent.add if said is None else self._silent.discard)(host)
            named.append(said)
            agreed = agreed_primary(named, self._plan.majority)
            if agreed is not None:
                return agreed
        return None

    def named_primaries(self) -> list[str | None]:
        """The primary's address as each Sentinel gives it."""
        return [self._named_by(host.address) for host in self._plan.hosts]

    def knows_all(self, host: Host) -> bool:
        """Whether this host's Sentinel knows of all other Sentinels and of every replica."""
        others = len(self._plan.hosts) - 1
        try:
            sentinel = self._connected(host.address, self._plan.sentinel_port)
            masters: Any = sentinel.sentinel_masters()
            about = masters[self._plan.name]
        except (*NOT_ANSWERED, KeyError):
            return False
        return (about["num-other-sentinels"], about["num-slaves"]) == (others, others)

    def fail_over(self, host: Host) -> str | None:
        """Ask this host's Sentinel to replace the primary; why it does not, if it does not."""
        try:
            sentinel: Any = self._connected(host.address, self._plan.sentinel_port)
            sentinel.execute_command("SENTINEL FAILOVER", self._plan.name)
        except NOT_ANSWERED as error:
            return str(error) or repr(error)
        return None

    def peers(self) -> list[Peer]:
        """The other hosts' data servers that answer."""
        others = [host.address for host in self._plan.hosts if host != self._own]
        return [peer for address in others if (peer := self._peer(address)) is not None]

    def server(self, host: Host | None = None) -> Server:
        """This host's own data server, or another's."""
        asked = host or self._own
        if asked not in self._servers:
            self._servers[asked] = Server(self._settings, asked)
        return self._servers[asked]

    def replication(self, host: Host | None = None) -> Replication | None:
        """What that server says about itself; None while it does not answer or still loads."""
        return self.server(host).look()

    def linked_without_us(self, primary: str) -> list[Replication]:
        """The other replicas that are linked to this primary, while it does not answer us."""
        if any(self.server(one).answers() for one in self._plan.hosts if one.address == primary):
            return []
        others = [host for host in self._plan.hosts if host != self._own]
        said = [self.replication(host) for host in others if host.address != primary]
        return [one for one in said if one and one.link_up and one.follows == primary]

    def _named_by(self, address: str) -> str | None:
        try:
            sentinel = self._connected(address, self._plan.sentinel_port)
            found: Any = sentinel.sentinel_get_master_addr_by_name(self._plan.name)
        except NOT_ANSWERED:
            return None
        return str(found[0]) if found else None

    def _peer(self, address: str) -> Peer | None:
        try:
            server = self._connected(address, self._plan.redis_port)
            return Peer(address, server.role()[0] == "master", int(server.dbsize()))
        except NOT_ANSWERED:
            return None

    def close(self) -> None:
        for connected in self._open.values():
            connected.close()
        for server in self._servers.values():
            server.close()
        self._open.clear()
        self._servers.clear()

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
