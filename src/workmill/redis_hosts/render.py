"""Every file of one host, as text: templates filled from the plan. Pure.

A template says `$name` where the plan's words go; one that asks for a word that the plan does
not have cannot be rendered at all.
"""

from __future__ import annotations

from importlib.resources import files
from ipaddress import ip_address
from string import Template
from typing import Final

import msgspec

from workmill.redis_hosts import acl
from workmill.redis_hosts.plan import Host, Plan

SECRET_FILES: Final = frozenset({"redis.conf", "sentinel.conf", "host.json"})
"""Files with a password in them."""
UNITS: Final = (
    "workmill-redis.service",
    "workmill-redis-watch.service",
    "workmill-sentinel.service",
)
_HERE: Final = "workmill.redis_hosts"


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a host needs to know at its start: `host.json`."""

    host: Host
    plan: Plan


def host_files(plan: Plan, host: Host) -> dict[str, str]:
    """The text of each file of this host, by its name in the configuration directory."""
    words = _words(plan, host)
    rendered = {name: _filled(name, words) for name in ("redis.conf", "sentinel.conf", *UNITS)}
    settings = HostSettings(host=host, plan=_without_foreign_passwords(plan))
    return rendered | {
        "users.acl": acl.data_server_acl(plan),
        "sentinel-users.acl": acl.sentinel_acl(plan),
        "host.json": msgspec.json.format(msgspec.json.encode(settings), indent=2).decode() + "\n",
    }


def _without_foreign_passwords(plan: Plan) -> Plan:
    """A host's start logs in as `deploy` only."""
    kept = msgspec.structs.replace(plan.passwords, endpoint="", replication="", sentinel="")
    return msgspec.structs.replace(plan, passwords=kept)


def _words(plan: Plan, host: Host) -> dict[str, object]:
    allowed = [one.address for one in plan.hosts] + list(plan.client_networks)
    return {
        **msgspec.structs.asdict(plan.timing),
        **msgspec.structs.asdict(plan.places),
        "name": host.name,
        "address": host.address,
        "binds": _binds(host.address),
        "allowed": " ".join(allowed),
        "founder_address": plan.hosts[0].address,
        "majority": plan.majority,
        "memory_bytes": plan.memory_bytes,
        "redis_port": plan.redis_port,
        "replication_password": plan.passwords.replication,
        "sentinel_password": plan.passwords.sentinel,
        "sentinel_port": plan.sentinel_port,
        "set_name": plan.name,
    }


def _binds(address: str) -> str:
    """Where a host's servers listen: for the others, and for itself on loopback. Hosts that are
    all on the loopback of one machine have one address each."""
    own = ip_address(address).is_loopback
    return address if own else f"{address} 127.0.0.1"


def _filled(name: str, words: dict[str, object]) -> str:
    template = files(_HERE).joinpath("templates", name).read_text(encoding="utf-8")
    return Template(template).substitute(words)
