"""Shared fixtures."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.hosts.hosts import Hosts, missing

# How long an example takes says how busy the machine is, and nothing about a promise.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Begin like a program at a terminal. A script's background job and nohup leave signals ignored
    for good, and every process that a test starts and interrupts would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


@pytest.fixture(scope="module", autouse=True)
def _leaves_nothing_open() -> Iterator[None]:
    """What a module leaves open is complained of in that module, not wherever it is collected."""
    yield
    gc.collect()


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
