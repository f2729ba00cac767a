"""Whether a set of hosts stands as it should: a primary, and others that could replace it."""

from __future__ import annotations

from workmill.redis_hosts.plan import Host, Plan
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.rules import agreed_primary


def primary_host(asking: Asking, plan: Plan) -> Host | None:
    """The host that a majority of Sentinels name; None when there is none just now."""
    address = agreed_primary(asking.named_primaries(), plan.majority)
    return next((host for host in plan.hosts if host.address == address), None)


def all_in_step(asking: Asking, plan: Plan) -> bool:
    """Whether the named primary is one, and every other host has all it has and can be promoted."""
    primary = primary_host(asking, plan)
    if primary is None:
        return False
    for host in plan.hosts:
        now = asking.replication(host)
        if now is None or now.is_primary != (host == primary):
            return False
        if not (now.is_primary or (now.link_up and now.priority)):
            return False
    return True


def can_fail_over(asking: Asking, plan: Plan) -> bool:
    """Whether all are in step, and each Sentinel knows it. A Sentinel learns of replicas from the
    primary alone, every 10 s: one that knows of none when the primary is lost never learns of any,
    and as long as the others vote for it, nobody is promoted."""
    return all_in_step(asking, plan) and all(asking.knows_all(host) for host in plan.hosts)
