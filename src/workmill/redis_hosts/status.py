"""How a set is, in words for a person: one line for each host."""

from __future__ import annotations

from workmill.redis_hosts.plan import Plan
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.rules import Replication, agreed_primary


def status(settings: HostSettings) -> str:
    """What the Sentinels and the data servers say now."""
    asking = Asking(settings)
    try:
        return set_in_words(asking, settings.plan)
    finally:
        asking.close()


def set_in_words(asking: Asking, plan: Plan) -> str:
    """The primary, then a line for each host. A Sentinel that does not know all hosts is told
    apart: a primary that is lost before it does may not be replaced."""
    named = asking.named_primaries()
    agreed = agreed_primary(named, plan.majority)
    lines = [f"primary   {agreed or 'no majority of Sentinels names one'}"]
    for host, address in zip(plan.hosts, named, strict=True):
        server = _in_words(asking.replication(host))
        says = f"names {address}" if address else "does not answer"
        if address and not asking.knows_all(host):
            says += ", does not know all hosts yet"
        lines.append(f"{host.name}   {host.address}   server: {server}   Sentinel: {says}")
    return "\n".join(lines)


def _in_words(now: Replication | None) -> str:
    if now is None:
        return "does not answer"
    if now.is_primary:
        return "primary"
    state = "in step" if now.link_up else "copying" if now.copying else "without a link"
    return f"replica, {state}, {'can' if now.priority else 'cannot'} be promoted"
