"""When a set of hosts can lose its primary."""

from __future__ import annotations

from typing import cast

import pytest
from tests.unit.redis_hosts.test_redis_hosts import ME, PLAN, server

from workmill.redis_hosts.plan import Host
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.readiness import can_fail_over
from workmill.redis_hosts.rules import Replication
from workmill.redis_hosts.status import set_in_words


class Set:
    """Three hosts in step, of which some Sentinels know all the others."""

    def __init__(self, knowing: int) -> None:
        self._knowing = PLAN.hosts[:knowing]

    def named_primaries(self) -> list[str]:
        return [ME] * 3

    def replication(self, host: Host) -> Replication:
        return server(is_primary=host.address == ME, link_up=True, priority=100)

    def knows_all(self, host: Host) -> bool:
        return host in self._knowing


@pytest.mark.parametrize(("knowing", "can"), [(3, True), (2, False), (0, False)])
def test_each_sentinel_must_know_of_the_replicas(knowing: int, can: bool) -> None:
    """One that knows of none when the primary is lost finds nobody to promote, however often the
    others vote for it."""
    assert can_fail_over(cast(Asking, Set(knowing)), PLAN) is can


@pytest.mark.parametrize("knowing", [3, 2, 0])
def test_status_tells_of_each_sentinel_that_does_not_know_all(knowing: int) -> None:
    """Who looks at a set sees whether a primary that is lost now would be replaced."""
    lines = set_in_words(cast(Asking, Set(knowing)), PLAN).splitlines()
    told = ["does not know all hosts yet" in line for line in lines[1:]]
    assert told == [False] * knowing + [True] * (3 - knowing)
