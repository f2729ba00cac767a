"""When a set of hosts can lose its primary."""

from __future__ import annotations

from typing import cast

import pytest
from tests.unit.runtime.test_redis_hosts import ME, PLAN, server

from workmill.runtime.redis_hosts.asking import Asking
from workmill.runtime.redis_hosts.judging import Replication
from workmill.runtime.redis_hosts.plan import Host
from workmill.runtime.redis_hosts.standing import can_fail_over


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
