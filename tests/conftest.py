"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.hosts.hosts import Hosts, missing

# How long an example takes says how busy the machine is, and nothing about a promise.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def standing_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """One set of Redis hosts for all tests that need one; it takes ten seconds to come up."""
    lacking = missing()
    if lacking and os.environ.get("CI") != "true":
        pytest.skip(f"a set of Redis hosts needs {lacking}")
    assert not lacking
    with Hosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


@pytest.fixture
def hosts(standing_hosts: Hosts) -> Iterator[Hosts]:
    """The set, whole and in step, with the test as its client; mended afterwards."""
    with standing_hosts.inside():
        standing_hosts.mend()
        yield standing_hosts
