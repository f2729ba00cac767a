"""The controller's face: who leads, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http.endpoint.conftest import Running

from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.domain.errors import EndpointUnreachable, InvalidInput
from workmill.domain.job import Candidacy, Node
from workmill.wire import paths


@pytest.fixture
def client(shared: Running) -> Iterator[ControlClient]:
    with Transport(shared.url) as transport:
        yield ControlClient(transport)


def test_one_leads_and_the_other_is_told(client: ControlClient) -> None:
    """Asking again renews; giving up lets the next one lead, with a higher token."""
    first = client.lead(Candidacy(candidate="a", lease_seconds=60.0))
    assert first.holder == "a"
    told = client.lead(Candidacy(candidate="b"))
    assert (told.holder, told.token) == ("a", first.token)
    assert 0 < told.left_seconds <= first.left_seconds
    assert client.lead(Candidacy(candidate="a", lease_seconds=60.0)).token == first.token
    client.lead(Candidacy(candidate="a", lease_seconds=0.0))
    second = client.lead(Candidacy(candidate="b"))
    assert (second.holder, second.token > first.token) == ("b", True)


def test_a_controller_sees_what_it_decides_by(client: ControlClient) -> None:
    """Counters and live nodes, itself among them when it beats."""
    client.beat(Node(incarnation="c1", role="controller", host="h", pid=1, version="0"))
    assert "c1" in [node.incarnation for node in client.nodes()]
    assert client.stats().stats.backlog_iterations == 0


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"candidate":""}',
        b'{"candidate":"' + b"x" * 201 + b'"}',
        b'{"candidate":"a","lease_seconds":-1}',
        b'{"candidate":"a","lease_seconds":301}',
        b'{"candidate":"a","lease_seconds":1e999}',
        b"\xff",
    ],
)
def test_what_is_no_candidacy_is_refused(shared: Running, body: bytes) -> None:
    """Nothing is changed by it."""
    assert shared.http.post(paths.LEAD, content=body).status_code in {400, 422}


def test_refusals_and_silence_are_told(client: ControlClient) -> None:
    """One attempt each: the controller decides itself when to ask again."""
    with pytest.raises(InvalidInput):
        client.lead(Candidacy(candidate="a", lease_seconds=1e6))
    with Transport("http://127.0.0.1:1") as nowhere, pytest.raises(EndpointUnreachable):
        ControlClient(nowhere).nodes()
