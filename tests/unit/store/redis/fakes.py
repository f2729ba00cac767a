"""A network of scripted servers, for what the link does when they misbehave in a given order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workmill.store.redis.addresses import Access, Node
from workmill.store.redis.connection import Refused, Silent

P, R1, R2 = (Node(name, 6379) for name in ("p", "r1", "r2"))
S1, S2, S3 = (Node(name, 26379) for name in ("s1", "s2", "s3"))


@dataclass
class FakeServer:
    """One server. `troubles` happen to its next FCALLs, one each: an exception is raised, a word
    is the code of a refusal, None is no trouble."""

    node: Node
    leads: bool = True
    follows: Node = P
    link: str = "connected"
    history: str = "h" * 40
    earlier: str = "0" * 40
    offset: int = 100
    replicas: dict[Node, int] = field(default_factory=dict)
    config: dict[str, str] = field(
        default_factory=lambda: {"appendonly": "yes", "appendfsync": "always"}
    )
    troubles: deque[Exception | str | None] = field(default_factory=deque)
    wait: Exception | None = None
    calls: int = 0
    down: bool = False

    def reply(self, words: Sequence[Any]) -> Any:
        reply: Any = getattr(self, "_" + str(words[0]).lower())(*words[1:])
        return reply

    def _role(self) -> Any:
        if not self.leads:
            host, port = self.follows
            return [b"slave", host.encode(), port, self.link.encode(), self.offset]
        others = [[n.host.encode(), b"%d" % n.port, b"%d" % o] for n, o in self.replicas.items()]
        return [b"master", self.offset, others]

    def _info(self, _section: str = "") -> bytes:
        lines = [
            f"role:{'master' if self.leads else 'slave'}",
            f"connected_slaves:{len(self.replicas)}",
            *(
                f"slave{number}:ip={node.host},port={node.port},state=online,offset={offset},lag=0"
                for number, (node, offset) in enumerate(self.replicas.items())
            ),
            f"master_replid:{self.history}",
            f"master_replid2:{self.earlier}",
            f"master_repl_offset:{self.offset}",
        ]
        return "\r\n".join(lines).encode()

    def _wait(self, _replicas: int, _milliseconds: int) -> int:
        if self.wait is not None:
            raise self.wait
        return sum(offset >= self.offset for offset in self.replicas.values())

    def _config(self, *_: str) -> list[bytes]:
        return [word.encode() for pair in self.config.items() for word in pair]

    def _fcall(self, function: str, _keys: int, key: str, payload: bytes) -> bytes:
        trouble = self.troubles.popleft() if self.troubles else None
        if isinstance(trouble, str):
            raise Refused(*trouble.split(" ", 1)) if " " in trouble else Refused(trouble, "no")
        if trouble is not None:
            raise trouble
        self.calls += 1
        return f"{function} {key} ".encode() + payload


@dataclass
class FakeSentinel:
    """A Sentinel that believes in one primary and some replicas, all of them equally far."""

    node: Node
    primary: Node = P
    epoch: int = 1
    replicas: dict[Node, str] = field(default_factory=dict)
    down: bool = False

    def reply(self, words: Sequence[Any]) -> Any:
        if words[1] == "MASTER":
            return self._about(self.primary, "master", epoch=self.epoch)
        return [self._about(node, flags) for node, flags in self.replicas.items()]

    def _about(self, node: Node, flags: str, epoch: int = 0) -> list[bytes]:
        words = ["ip", node.host, "port", node.port, "flags", flags, "config-epoch", epoch]
        words += ["slave-repl-offset", 100, "master-link-status", "ok"]
        words += ["down-after-milliseconds", 6000]
        return [str(word).encode() for word in words]


class FakeNetwork:
    """Stands in for `Connection`: calling it connects."""

    def __init__(self, *servers: FakeServer | FakeSentinel) -> None:
        self.servers = {server.node: server for server in servers}
        self.opened: list[Node] = []
        self.asked: list[tuple[Node, Any]] = []

    def __call__(self, node: Node, _access: Access, **_seconds: float) -> FakeConnection:
        server = self.servers.get(node)
        if server is None or server.down:
            raise Silent(f"{node} could not be reached", sent=False)
        self.opened.append(node)
        return FakeConnection(self, server)


class FakeConnection:
    """What the link sees of one scripted server."""

    def __init__(self, network: FakeNetwork, server: FakeServer | FakeSentinel) -> None:
        self.node = server.node
        self._network = network
        self._server = server
        self._open = True
        self._sent: deque[Sequence[Any]] = deque()

    def ask(self, *words: Any, seconds: float | None = None) -> Any:
        del seconds
        self.send([words])
        return self.receive()

    def ask_all(self, commands: Sequence[Sequence[Any]], seconds: float | None = None) -> list[Any]:
        del seconds
        self.send(commands)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(self.receive())
            except Refused as refused:
                replies.append(refused)
        return replies

    def send(self, commands: Sequence[Sequence[Any]]) -> None:
        self._sent.extend(commands)

    def receive(self) -> Any:
        words = self._sent.popleft()
        self._network.asked.append((self.node, words[0]))
        if not self._open or self._server.down:
            raise Silent("gone", sent=True)
        return self._server.reply(words)

    def is_alive(self) -> bool:
        return self._open and not self._server.down

    def close(self) -> None:
        self._open = False
