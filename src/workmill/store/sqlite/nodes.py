"""Who is alive. Only in memory: after a restart every live node beats again within seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from workmill.domain.job import Node
from workmill.domain.limits import MAX_NODES, NODE_SECONDS


class Register:
    """The nodes that have beaten lately, by incarnation, the longest silent first."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[str, Node] = OrderedDict()

    def beat(self, nodes: Sequence[Node], now_ms: int) -> None:
        """See `Store.beat`. Over `MAX_NODES`, whoever has been silent longest is forgotten."""
        for node in nodes:
            self._nodes[node.incarnation] = msgspec.structs.replace(node, seen_at_ms=now_ms)
            self._nodes.move_to_end(node.incarnation)
        while len(self._nodes) > MAX_NODES:
            self._nodes.popitem(last=False)

    def alive(self, now_ms: int) -> list[Node]:
        """See `Store.nodes`."""
        oldest = now_ms - round(NODE_SECONDS * 1000)
        while self._nodes and next(iter(self._nodes.values())).seen_at_ms <= oldest:
            self._nodes.popitem(last=False)
        return list(self._nodes.values())
