"""One data server, looked at and told what to do over one connection.

Theory. Between a look and what follows from it the server may have been promoted, and an order
that was right for a replica would then undo the promotion. Sentinel promotes in one transaction
that also ends every other connection to that server. So an order goes over the connection of the
look, or nowhere: if it arrives, the server has not been promoted since.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from workmill.redis_hosts.plan import Host
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.rules import Replication
from workmill.store.redis.addresses import Access, Node, Tls
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.durability import SYNCED
from workmill.store.redis.replication_info import NO_HISTORY

ANSWER_SECONDS: Final = 1.0
_LOOK: Final = (("INFO",), ("CONFIG", "GET", "replica-priority", *SYNCED))


class Server:
    """This or another host's data server, as the user `deploy`."""

    def __init__(self, settings: HostSettings, host: Host) -> None:
        tls = Path(settings.plan.places.configuration) / "tls"
        self._node = Node(host.address, settings.plan.redis_port)
        self._access = Access(
            user="deploy",
            password=settings.plan.passwords.deploy,
            tls=Tls(
                ca_file=str(tls / "ca.crt"),
                cert_file=str(tls / "host.crt"),
                key_file=str(tls / "host.key"),
            ),
        )
        self._connection: Connection | None = None

    def look(self) -> Replication | None:
        """What it says about itself; None while it does not answer or still loads."""
        replies = self._replies()
        if replies is None:
            return None
        info, config = replies
        if isinstance(info, Refused) or isinstance(config, Refused):
            return None
        lines = (line.partition(":") for line in info.decode().splitlines())
        words = [word.decode() for word in config]
        settings = dict(zip(words[::2], words[1::2], strict=True))
        return read_look({name: value for name, _, value in lines}, settings)

    def answers(self) -> bool:
        """Whether it says anything at all."""
        return self._replies() is not None

    def _replies(self) -> list[Any] | None:
        try:
            if self._connection is None or not self._connection.is_alive():
                self._connection = self._connected()
            return self._connection.ask_all(_LOOK)
        except (Silent, Refused):
            return None

    def _connected(self) -> Connection:
        return Connection(
            self._node,
            self._access,
            connect_seconds=ANSWER_SECONDS,
            answer_seconds=ANSWER_SECONDS,
        )

    def set_priority(self, priority: int) -> bool:
        """False when it was not heard, or was promoted since the look."""
        return self._told("CONFIG", "SET", "replica-priority", priority)

    def sync_log(self) -> bool:
        """Set what `SYNCED` says of its log; False as above."""
        pairs = [word for pair in SYNCED.items() for word in pair]
        return self._told("CONFIG", "SET", *pairs)

    def follow(self, address: str) -> bool:
        """Make it a replica of that one; False as above."""
        return self._told("REPLICAOF", address, self._node.port)

    def _told(self, *words: str | int) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.ask(*words)
        except (Silent, Refused):
            return False
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def read_look(info: Mapping[str, str], settings: Mapping[str, str]) -> Replication | None:
    """From INFO and the settings that are not told there; None while it loads."""
    if info["loading"] != "0":
        return None
    return Replication(
        is_primary=info["role"] == "master",
        link_up=info.get("master_link_status") == "up",
        copying=info.get("master_sync_in_progress", "0") == "1",
        priority=int(settings["replica-priority"]),
        follows=info.get("master_host"),
        history=info["master_replid"],
        offset=int(info.get("slave_repl_offset", info["master_repl_offset"])),
        promoted=info["master_replid2"] != NO_HISTORY,
        process=int(info["process_id"]),
        lax=tuple(name for name, value in SYNCED.items() if settings.get(name, value) != value),
    )
