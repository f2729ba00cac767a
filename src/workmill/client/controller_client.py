"""The controller's face of an endpoint: one attempt each, no retry.

A controller looks again with its next turn anyway, and an order given late is worse than none. So
each call here is one attempt, bears little silence, and raises what `Transport.ask` raises.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from workmill.client import answer_checks
from workmill.client.steps import Reply, Request
from workmill.client.sync_transport import Transport
from workmill.client.worker_client import ALIVE_SECONDS
from workmill.domain.job import Candidacy, Leadership, Node
from workmill.wire import codecs, paths
from workmill.wire.messages import NodeList, StatsView

T = TypeVar("T")


class ControlClient:
    """Look at a service and ask to lead it. Threads may share one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def stats(self) -> StatsView:
        """The counters, the rate and the predicted wait."""
        return self._send("GET", paths.STATS, partial(answer_checks.json, StatsView))

    def nodes(self) -> list[Node]:
        """Every process that has beaten lately."""
        return self._send("GET", paths.NODES, partial(answer_checks.json, NodeList)).nodes

    def beat(self, node: Node) -> None:
        """Say that this process is alive."""
        body = codecs.to_msgpack(node)
        self._send("POST", paths.BEAT, answer_checks.done, body, codecs.MSGPACK)

    def lead(self, candidacy: Candidacy) -> Leadership:
        """Ask to lead, or to go on leading: who leads then."""
        reads = partial(answer_checks.json, Leadership)
        return self._send("POST", paths.LEAD, reads, codecs.to_json(candidacy), codecs.JSON)

    def _send(
        self,
        method: str,
        path: str,
        reads: Callable[[Reply], T],
        content: bytes = b"",
        content_type: str | None = None,
    ) -> T:
        request = Request(method, path, {}, content, content_type, timeout_seconds=ALIVE_SECONDS)
        return self._transport.ask(request, reads)
