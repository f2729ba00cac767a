"""Where a Redis is: the words after `--store`, taken apart. Nothing here is opened or asked.

    redis://[user[:password]@]host[:port]                     one server
    redis+unix://[user[:password]@]/path/to/socket            one server on this machine
    redis+sentinel://[user[:password]@]h1[:p],h2[:p],h3[:p]/name
                                                              the Sentinels that watch `name`
    rediss://...   rediss+sentinel://...                      the same over TLS

After a question mark: `password_file=FILE` in place of a password, and with TLS `ca_file=FILE`,
`cert_file=FILE` and `key_file=FILE`. After Sentinels, `settings=kept` says that the watch of a set
of hosts that Workmill made keeps the settings of the log, which the endpoint's user may not read.
User, password and TLS hold for data servers and Sentinels alike. Several addresses, parted by
commas or given one by one, are partitions: each of them is a whole store of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from workmill.domain.errors import InvalidInput

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
UNIX_PORT: Final = 0
"""The port of a server that is reached through a socket file."""

_SCHEMES: Final = ("redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel")
_BETWEEN: Final = re.compile(r",(?=[a-zA-Z+]+://)")
_PARTS: Final = re.compile(
    r"(?P<scheme>[a-zA-Z+]+)://(?:(?P<access>[^@/?]*)@)?(?P<hosts>[^/?]*)"
    r"(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_HOST: Final = re.compile(
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s@#%\\\x00-\x1f\x7f]+)(?::(?P<port>[0-9]{1,5}))?"
)
_ACCESS: Final = re.compile(r"//.*@", re.DOTALL)
"""All that may be a password, also one that was not written as an address wants it."""
_FILES: Final = ("password_file", "ca_file", "cert_file", "key_file")
_KEPT: Final = ("settings", "kept")


class Node(NamedTuple):
    """One server, by the address under which the others know it."""

    host: str
    port: int

    def __str__(self) -> str:
        if self.port == UNIX_PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Names of files in PEM; without `ca_file` the machine's own authorities are trusted."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How any server of one logical Redis is entered."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    tls: Tls | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One logical Redis: its one server, or the Sentinels that know its servers by `name`."""

    nodes: tuple[Node, ...]
    name: str | None = None
    access: Access = Access()
    kept: bool = False
    """Whether a watch beside each server keeps the settings of its log."""

    def __str__(self) -> str:
        """As it was written, without any password."""
        scheme = "rediss" if self.access.tls else "redis"
        hosts = ",".join(map(str, self.nodes))
        if self.name is not None:
            return f"{scheme}+sentinel://{hosts}/{self.name}"
        return (
            f"{scheme}+unix://{hosts}" if self.nodes[0].port == UNIX_PORT else f"{scheme}://{hosts}"
        )


def parse_addresses(texts: str | Iterable[str]) -> tuple[Address, ...]:
    """The partitions in the order given. Raises InvalidInput for what cannot be one."""
    whole = [texts] if isinstance(texts, str) else list(texts)
    found = tuple(parse_address(one) for text in whole for one in _BETWEEN.split(text.strip()))
    if not found:
        raise InvalidInput("No store address was given.")
    seen: set[tuple[object, ...]] = set()
    for address in found:
        for node in address.nodes:
            if (node, address.name) in seen:
                raise InvalidInput(f"{node} was given twice: each partition needs its own server.")
            seen.add((node, address.name))
    return found


def parse_address(text: str) -> Address:
    """One partition. Raises InvalidInput for what cannot be one."""
    parts = _PARTS.fullmatch(text.strip())
    if parts is None or parts["scheme"].lower() not in _SCHEMES:
        raise _invalid(text, f"it must begin with one of {', '.join(f'{s}://' for s in _SCHEMES)}")
    secure, _, kind = parts["scheme"].lower().partition("+")
    path = unquote(parts["path"] or "")
    access = _access(text, parts["access"], parts["query"], tls=secure == "rediss")
    kept = _KEPT in parse_qsl(parts["query"] or "")
    if kept and kind != "sentinel":
        raise _invalid(text, "settings=kept is for Sentinels and hosts that Workmill made")
    if kind == "sentinel":
        name = path.strip("/")
        if not name or "/" in name:
            raise _invalid(text, "after the Sentinels it needs the name they watch, as in /mill")
        nodes = tuple(_hosts(text, parts["hosts"], SENTINEL_PORT))
        return Address(nodes=nodes, name=name, access=access, kept=kept)
    if kind == "unix":
        if parts["hosts"] or len(path) < 2 or "\0" in path:
            raise _invalid(
                text, "it needs the path of a socket, as in redis+unix:///run/redis.sock"
            )
        return Address(nodes=(Node(path, UNIX_PORT),), access=access)
    if path not in {"", "/", "/0"}:
        raise _invalid(text, "only database 0 can be used: leave the path away")
    nodes = _hosts(text, parts["hosts"], REDIS_PORT)
    if len(nodes) > 1:
        raise _invalid(
            text, "it names several servers; write each partition as an address of its own"
        )
    return Address(nodes=nodes, access=access)


def _hosts(text: str, hosts: str, port: int) -> tuple[Node, ...]:
    nodes = []
    for word in hosts.split(","):
        found = _HOST.fullmatch(word)
        if found is None or int(found["port"] or port) not in range(1, 65536):
            shown = word.rpartition("@")[2]
            raise _invalid(text, f"{shown!r} is no host, or no host and port")
        nodes.append(Node(_host(text, found["host"]), int(found["port"] or port)))
    if len(set(nodes)) < len(nodes):
        raise _invalid(text, "it names a server twice")
    return tuple(nodes)


def _host(text: str, word: str) -> str:
    """In small letters, as names are compared. Raises InvalidInput for what can be no host."""
    try:
        word.encode("idna")
    except UnicodeError:
        raise _invalid(text, f"{word[:80]!r} is no host") from None
    return word.strip("[]").lower()


def _access(text: str, words: str | None, query: str | None, *, tls: bool) -> Access:
    user, _, password = (words or "").partition(":")
    given = parse_qsl(query or "", keep_blank_values=True)
    options = dict(one for one in given if one != _KEPT)
    if len(options) + (_KEPT in given) < len(given):
        raise _invalid(text, "it has an option twice")
    unknown = sorted(options.keys() - set(_FILES))
    if unknown or "" in options.values():
        raise _invalid(text, f"of options it takes {', '.join(_FILES)}, each with a file's name")
    if password and "password_file" in options:
        raise _invalid(text, "it has both a password and a password file")
    files = {name: options.get(name) for name in ("ca_file", "cert_file", "key_file")}
    if not tls and any(files.values()):
        raise _invalid(text, "files for TLS are given, but it does not begin with rediss")
    if files["key_file"] and not files["cert_file"]:
        raise _invalid(text, "key_file needs its certificate, cert_file")
    return Access(
        user=unquote(user) or None,
        password=unquote(password) or None,
        password_file=options.get("password_file"),
        tls=Tls(**files) if tls else None,
    )


def _invalid(text: str, why: str) -> InvalidInput:
    """Without the password. One with a character that parts an address (@ / ? #) is written with
    percent signs."""
    shown = _ACCESS.sub("//***@", text)
    if _ACCESS.search(text):
        why += ". Of a user or password write @ / ? # : and % as %40 %2F %3F %23 %3A and %25"
    return InvalidInput(f"{shown!r} is no store address: {why}.")
