"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.hosts.hosts import Hosts, missing

settings.register_profile("workmill", deadline=None)  # a busy machine is slow, and not wrong
settings.load_profile("workmill")


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
