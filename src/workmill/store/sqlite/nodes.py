"""Who is alive. Only in memory: after a restart every live node beats again within seconds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workmill.domain.job import Node
from workmill.domain.limits import NODE_SECONDS


class Register:
    """The nodes that have beaten lately, by incarnation."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def beat(self, nodes: Sequence[Node], now_ms: int) -> None:
        """See `Store.beat`."""
        for node in nodes:
            self._nodes[node.incarnation] = msgspec.structs.replace(node, seen_at_ms=now_ms)
        self._nodes = {node.incarnation: node for node in self.alive(now_ms)}

    def alive(self, now_ms: int) -> list[Node]:
        """See `Store.nodes`."""
        oldest = now_ms - round(NODE_SECONDS * 1000)
        return [node for node in self._nodes.values() if node.seen_at_ms > oldest]
