"""The listening socket: made here, or inherited from whoever outlives this process.

A supervisor makes it once and holds it open while a dead endpoint is replaced: the port
stays taken, and a client that connects in between waits in the kernel's queue instead of
being refused.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from typing import Final

from workmill.domain.errors import Unavailable
from workmill.endpoint.settings import EndpointSettings

_SHOWN_CHARACTERS: Final = 100


class AddressTaken(Unavailable):
    """Somebody listens there, who may be just ending."""

    slug = "address-taken"


BACKLOG: Final = 2048
"""Connections that the kernel keeps waiting while nobody accepts (capped by somaxconn)."""
_UNPRIVILEGED: Final = 1024
"""The first port that every user may listen on, unless the machine is set otherwise."""
_LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_ANYWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of nobody (RFC 5737, RFC 3849): the way to them is the default route."""


def listener_of(settings: EndpointSettings) -> socket.socket:
    """The inherited socket, or a new one. Raises Unavailable when the address cannot be had."""
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    return listen(settings.host, settings.port)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`:`port`; port 0 lets the kernel choose.

    An IPv6 address may stand in brackets, as it does in a URL. Raises Unavailable when the address
    cannot be had.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family, backlog=BACKLOG)
    except UnicodeError:  # of a name that no resolver takes
        raise _no_address(host, port, "that is no name of a host") from None
    except OSError as error:
        raise _cannot_listen(host, port, error) from None


def _cannot_listen(host: str, port: int, error: OSError) -> Unavailable:
    """In the words of the operating system, without what Python adds to them."""
    number = error.errno or 0
    if number == errno.EADDRINUSE:
        return AddressTaken(
            f"Cannot listen on {host} port {port}: {os.strerror(number)}. Nothing was started. "
            "Stop whatever uses that address, or choose another port with --port."
        )
    if number in {errno.EACCES, errno.EPERM}:
        return Unavailable(
            f"Cannot listen on {host} port {port}: {os.strerror(number)}. Nothing was started. "
            f"Ports below {_UNPRIVILEGED} are for root; choose another with --port."
        )
    known = os.strerror(number) if number > 0 else "no such address was found"
    return _no_address(host, port, known)


def _no_address(host: str, port: int, why: str) -> Unavailable:
    return Unavailable(
        f"Cannot listen on {host[:_SHOWN_CHARACTERS]!r} port {port}: {why}. Nothing was started. "
        "Give an address of this machine with --host, such as 127.0.0.1 or ::1."
    )


def url_of(listener: socket.socket) -> str:
    """Where a process on this machine reaches the listener, any-address turned to loopback."""
    host, port = listener.getsockname()[:2]
    return f"http://{reached(host)}:{port}"


def reached(host: str) -> str:
    """How a URL on this machine names what listens on `host`, any-address turned to loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def place_of(listener: socket.socket, toward: str | None = None) -> str:
    """Where other machines reach the listener, as `address:port`.

    That is where it is bound. Bound to every address of this host, it is the one from which this
    host would speak to `toward`, or, where that is not known, not found or this very machine,
    along its default route, or the one its own name has. A host without any is reached from
    itself alone, by loopback. Nothing is sent to find out.
    """
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = _own_address(listener.family, toward)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _own_address(family: int, toward: str | None) -> str:
    loopback = _LOOPBACK[socket.AddressFamily(family)]
    for target in (toward, _ANYWHERE[socket.AddressFamily(family)], socket.gethostname()):
        address = _outgoing(family, target) if target else loopback
        if not ipaddress.ip_address(address).is_loopback:
            return address
    return loopback


def _outgoing(family: int, target: str) -> str:
    """From which of its addresses this host speaks to `target`; loopback when it cannot."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))  # of a datagram socket: it only looks up the route
        return str(probe.getsockname()[0])
    return _LOOPBACK[socket.AddressFamily(family)]
