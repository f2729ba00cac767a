"""One service for all tests that do not break it."""

from collections.abc import Iterator

import pytest
from tests.system.processes import Up


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with Up(tmp_path_factory.mktemp("service")) as up:
        yield up
