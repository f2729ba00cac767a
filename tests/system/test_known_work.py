"""Work is done once: known work, prefix reuse and single-flight on the whole service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.system.processes import Up, until
from tests.system.service_definition import value_of

from workmill import Client


@pytest.fixture
def client(service: Up) -> Iterator[Client]:
    with service.client() as client:
        yield client


def computed(client: Client) -> int:
    return client.stats().stats.iterations_done_total


def test_known_work_is_answered_in_the_reply(client: Client) -> None:
    """The same work again is done when its submit returns, under its own id, at no cost."""
    first = client.submit(b"known", 5000)
    value = first.result(30)
    before = computed(client)
    again = client.submit(b"known", 5000)
    assert again.known() == value
    assert again.id != first.id
    assert computed(client) == before
    assert value.hex() == value_of(b"known", 5000)


def test_longer_work_starts_from_its_known_part(client: Client) -> None:
    """(x, 600k) known, then (x, 1M): 400k are computed, and the value is right."""
    client.submit(b"prefix", 600_000).result(60)
    before = computed(client)
    value = client.submit(b"prefix", 1_000_000).result(60)
    assert computed(client) - before == 400_000
    assert value.hex() == value_of(b"prefix", 1_000_000)


def test_a_crowd_with_one_work_is_served_by_one_computation(client: Client) -> None:
    """100 submits of the same running work: computed once, 100 ids, 100 deliveries."""
    total = 3_000_000
    before = computed(client)
    running = client.submit(b"crowd", total)
    until(lambda: client.job(running.id).status == "leased")
    handles = [running, *client.submit_many([b"crowd"] * 99, total)]
    assert {handle.status for handle in handles[1:]} == {"attached"}
    values = client.wait_all(handles, 60)
    assert computed(client) - before == total - 1  # the first iteration is the fold
    assert len({handle.id for handle in handles}) == 100
    assert set(values) == {bytes.fromhex(value_of(b"crowd", total))}
    delivered = {result.id for result in client.results(top=1000)}
    assert {handle.id for handle in handles} <= delivered
