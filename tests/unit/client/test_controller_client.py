"""The controller's face: what is not an endpoint's answer is no answer."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.domain.errors import EndpointUnreachable
from workmill.domain.job import Candidacy, Node

NODE = Node(incarnation="0", role="controller", host="here", pid=1, version="0")
ASK: list[Callable[[ControlClient], object]] = [
    lambda client: client.stats(),
    lambda client: client.nodes(),
    lambda client: client.lead(Candidacy(candidate="me")),
    lambda client: client.beat(NODE),
]


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b""),
        (200, b"<html>please log in</html>"),
        (200, b"{}"),
        (200, b"[" * 100_000),
        (302, b""),
        (401, b"<html>who are you</html>"),
        (404, b""),
        (413, b""),
    ],
)
def test_what_a_stranger_says_is_no_answer(
    ask: Callable[[ControlClient], object], status: int, content: bytes
) -> None:
    """Neither who leads nor what there is to do is learned from a proxy's page."""
    answer = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    with pytest.raises(EndpointUnreachable, match=str(status)):
        ask(ControlClient(Transport("http://mill", through=answer)))
