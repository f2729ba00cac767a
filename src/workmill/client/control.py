"""The controller's face of an endpoint: one attempt each, no retry.

A controller looks again with its next turn anyway, and an order given late is worse than none. So
each call here is one attempt, bears little silence, and raises what `client.core.check` and the
transport raise.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from workmill.client.core import Reply, Request, check
from workmill.client.foreign import read_answer
from workmill.client.transport import Transport
from workmill.client.work import ALIVE_SECONDS, heard_by_endpoint
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
        return _told(self._send("GET", paths.STATS), StatsView)

    def nodes(self) -> list[Node]:
        """Every process that has beaten lately."""
        return _told(self._send("GET", paths.NODES), NodeList).nodes

    def beat(self, node: Node) -> None:
        """Say that this process is alive."""
        heard_by_endpoint(self._send("POST", paths.BEAT, codecs.to_msgpack(node), codecs.MSGPACK))

    def lead(self, candidacy: Candidacy) -> Leadership:
        """Ask to lead, or to go on leading: who leads then."""
        reply = self._send("POST", paths.LEAD, codecs.to_json(candidacy), codecs.JSON)
        return _told(reply, Leadership)

    def _send(
        self, method: str, path: str, content: bytes = b"", content_type: str | None = None
    ) -> Reply:
        request = Request(method, path, {}, content, content_type, timeout_seconds=ALIVE_SECONDS)
        return check(self._transport.send(request))


def _told(reply: Reply, kind: type[T]) -> T:
    return read_answer(reply, partial(codecs.from_json, kind=kind))
