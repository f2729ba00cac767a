"""Which names lead to this machine and to no other, whatever a name server says."""

from __future__ import annotations

import ipaddress
import socket
from functools import cache


def is_own_name(host: str) -> bool:
    """Whether `host`, as in a Host header (RFC 9110, section 7.2), is an address, `localhost`, or
    what this machine calls itself. A port behind it does not matter."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower()
    if name in _own_names():
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@cache
def _own_names() -> frozenset[str]:
    return frozenset({"localhost", socket.gethostname().lower()})
