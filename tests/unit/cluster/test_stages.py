"""What a cluster tells the endpoints that it starts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.unit.cluster.test_plan import cluster

from workmill.cluster import haproxy_probe, stages
from workmill.cluster.stages import Fleets
from workmill.runtime.config import EndpointConfig
from workmill.supervisor.processes import Command


async def at_once(*_: object) -> None:
    """It is as it should be."""


def may_found(command: Command) -> bool:
    return msgspec.json.decode(command.argv[-1], type=EndpointConfig).may_found


async def test_no_endpoint_begins_a_store_once_the_first_have_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that replaces another nor one that comes on top. Before that a death is no proof
    that there was a store."""
    monkeypatch.setattr(stages, "until_ready", at_once)
    monkeypatch.setattr(haproxy_probe, "until_it_has", at_once)
    fleets = Fleets(cluster(tmp_path))
    assert [may_found(fleets.endpoint(number)) for number in (1, 2)] == [True, True]
    await fleets.until_served()
    assert [may_found(fleets.endpoint(number)) for number in (1, 3)] == [False, False]
