"""A Redis store: who answers, and whether its settings keep what the service promises.

Every server of a store is looked at, for a replica of today is the primary of tomorrow. What
this user may not read (CONFIG, by its ACL) is named and not guessed at: run the doctor as a user
who may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from workmill.doctor.finding import Finding, Verdict
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import UNIX_PORT, Access, Address, Node
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.durability import (
    LOG,
    MEMORY,
    OLDEST,
    SERVER,
    SETTINGS,
    Shown,
    faults,
    read_shown,
    version,
)
from workmill.store.redis.replication_info import UNREADABLE
from workmill.store.redis.sentinel import Sentinels, choose

GOOD_REPLICAS: Final = 2
"""With two, one may be lost and every change still has two copies."""
GOOD_SENTINELS: Final = 3
MIN_DOWN_AFTER_MS: Final = 5001
"""A Sentinel promotes the replica that it saw furthest, up to five seconds ago: a primary must have
been away for longer than that, or one that was behind is taken for the furthest."""
ANSWER_SECONDS: Final = 3.0
MAX_APART_SECONDS: Final = 1.0
"""Far less than a lease is renewed ahead of its end."""
_ALL_RIGHTS: Final = ("+@all", "~*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one server showed. `config` is None where this user may not read it; `open_door`
    whether it serves whoever comes without a name; `replayer` the commands and keys of the user
    `default`, None where this user may not read them."""

    node: Node
    info: Mapping[str, str]
    config: Mapping[str, str] | None
    open_door: bool
    replayer: tuple[str, str] | None
    ahead_seconds: float | None
    """How far its clock is before this machine's; None where this user may not ask."""

    @property
    def shown(self) -> Shown:
        """As the rules take it."""
        return Shown(node=self.node, info=self.info, config=self.config)


def stores(addresses: Sequence[Address]) -> list[Finding]:
    """All that can be said about one store, which may be made of several shards."""
    findings: list[Finding] = []
    seen: dict[str, Address] = {}
    for address in addresses:
        found, looks = _looked_at(address)
        findings += found
        for run in {one.shown.run for one in looks} - {""}:
            if seen.setdefault(run, address) is not address:
                said = f"{address} is the same server as {seen[run]}."
                advice = "Give each shard a server of its own."
                findings.append(_finding("redis", "mend", said, advice))
    return findings


def store(address: Address) -> list[Finding]:
    """All that can be said about one shard."""
    return _looked_at(address)[0]


def _looked_at(address: Address) -> tuple[list[Finding], list[Look]]:
    findings: list[Finding] = []
    nodes: Sequence[Node] = address.nodes
    if address.name is not None:
        nodes, finding = _sentinels(address, address.name)
        findings.append(finding)
    looks, judgements = [], []
    for node in nodes:
        try:
            looks.append(look(node, address.access))
            judgements += judged(looks[-1], replicated=address.name is not None)
        except (Silent, Refused) as error:
            findings.append(
                _finding("redis", "mend", f"{error}.", "Start it, or mend the address.")
            )
        except UNREADABLE as error:
            said = f"{node} answers as no Redis does: {error}."
            findings.append(_finding("redis", "mend", said, "Mend the address, or what is there."))
    return findings + judgements, looks


def look(node: Node, access: Access) -> Look:
    """Ask one server. Raises Silent or Refused."""
    connection = Connection(
        node, access, connect_seconds=ANSWER_SECONDS, answer_seconds=ANSWER_SECONDS
    )
    try:
        asked = [("INFO",), ("CONFIG", "GET", "*"), ("ACL", "GETUSER", "default")]
        info, config, default = connection.ask_all(asked)
        ahead_seconds = _ahead_seconds(connection)
    finally:
        connection.close()
    shown = read_shown(node, info, config)
    return Look(
        node=node,
        info=shown.info,
        config=shown.config,
        open_door=_serves_strangers(node, access),
        replayer=None if isinstance(default, Refused) else _rights(default),
        ahead_seconds=ahead_seconds,
    )


def _ahead_seconds(connection: Connection) -> float | None:
    """By as much as an answer may be on its way, neither is held to be ahead."""
    asked = time.time()
    try:
        seconds, microseconds = connection.ask("TIME", seconds=ANSWER_SECONDS)
    except Refused:
        return None
    told = int(seconds) + int(microseconds) / 1e6
    return max(told - time.time(), 0.0) + min(told - asked, 0.0)


def _rights(reply: list[Any]) -> tuple[str, str]:
    """Commands and keys in the reply to ACL GETUSER."""
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    return fields[b"commands"].decode(), fields[b"keys"].decode()


def _serves_strangers(node: Node, access: Access) -> bool:
    stranger = replace(access, user=None, password=None, password_file=None)
    try:
        connection = Connection(node, stranger, connect_seconds=ANSWER_SECONDS)
        try:
            connection.ask("PING", seconds=ANSWER_SECONDS)
        finally:
            connection.close()
    except (Silent, Refused):
        return False
    return True


def judged(look: Look, *, replicated: bool) -> list[Finding]:
    """What follows from what a server showed: the rules that an endpoint goes by, and more."""
    rules = faults(look.shown, Level.DISK)
    findings = [*_clock(look), *_door(look)]
    if not any(one.name == SERVER and one.refuses for one in rules):
        findings.insert(0, _version(look))
    findings += [
        _finding(
            one.name, "mend" if one.refuses else "note", f"{look.node}: {one.said}.", one.advice
        )
        for one in sorted(rules, key=lambda one: one.name == SETTINGS)
    ]
    if look.config is None:
        return findings
    if LOG not in {one.name for one in rules}:
        findings.append(_finding(LOG, "good", f"{look.node} syncs its log before it replies."))
    findings += _replay(look)
    if MEMORY not in {one.name for one in rules}:
        findings.append(_memory(look.node, look.config))
    if replicated or look.info.get("connected_slaves", "0") != "0":
        findings.append(_replicas(look, look.config))
    return findings


def _version(look: Look) -> Finding:
    kind, text = version(look.shown)
    said = f"{look.node} is {kind} {text}; Redis {'.'.join(map(str, OLDEST))} or newer is needed."
    return _finding(SERVER, "good", said, version=text)


def _clock(look: Look) -> Iterator[Finding]:
    """Leases go by the time of the server that is primary, from that of its last call on."""
    apart = look.ahead_seconds
    if apart is None:
        said = f"{look.node} does not let this user ask for its time."
        yield _finding("redis clock", "note", said, "Run the doctor as one who may: +time.")
    elif abs(apart) < MAX_APART_SECONDS:
        said = f"{look.node} has the time of this machine."
        yield _finding("redis clock", "good", said, ahead_seconds=apart)
    else:
        where = "ahead of" if apart > 0 else "behind"
        said = f"{look.node} is {abs(apart):,.1f} s {where} this machine."
        advice = (
            "Run a time service on both. Leases and retention go by the primary's clock: when it "
            "jumps, or a server that is ahead takes over, they may end early. Time in the store "
            "never goes back."
        )
        yield _finding("redis clock", "note", said, advice, ahead_seconds=apart)


def _door(look: Look) -> Iterator[Finding]:
    near = _is_near(look.node)
    if look.open_door:
        said = f"{look.node} serves whoever reaches it, without a name or password."
        advice = "Make a user for the endpoints and switch the user `default` off."
        yield _finding("redis users", "note" if near else "mend", said, advice)
    port = (look.config or {}).get("port", "0")
    if not near and port == str(look.node.port):
        said = f"{look.node} is spoken to in the clear: passwords and jobs can be read on the way."
        advice = "Give it a certificate (tls-port) and write rediss://."
        yield _finding("redis tls", "note", said, advice)


def _is_near(node: Node) -> bool:
    if node.port == UNIX_PORT or node.host == "localhost":
        return True
    try:
        return ip_address(node.host).is_loopback
    except ValueError:
        return False


def _replay(look: Look) -> Iterator[Finding]:
    """Redis reads its log back as the user `default`, and leaves out what that one may not do."""
    if look.replayer is None:
        said = f"{look.node} does not let this user read the rights of the user `default`."
        yield _finding("redis replay", "note", said, "Run the doctor as one who may: +acl|getuser.")
    elif look.replayer != _ALL_RIGHTS:
        said = f"{look.node} reads its log back as `default`, who may not do all that is in it."
        advice = "It would lose that at its next start. Give `default` ~* +@all, and switch it off."
        yield _finding("redis replay", "mend", said, advice)


def _memory(node: Node, config: Mapping[str, str]) -> Finding:
    limit = int(config.get("maxmemory", "0"))
    if not limit:
        said = f"{node} has no maxmemory: it is killed when the machine's memory is full."
        return _finding(MEMORY, "note", said, "Set maxmemory to what it may take.")
    return _finding(MEMORY, "good", f"{node} takes {limit / 2**20:,.0f} MiB at most.")


def _replicas(look: Look, config: Mapping[str, str]) -> Finding:
    """Of a primary how many are online; of any server what it would ask of them as a primary."""
    name = "redis replicas"
    if config.get("min-replicas-to-write") == "0":
        said = f"{look.node} would write on alone when it is cut off from its replicas."
        advice = "Set min-replicas-to-write 1 and min-replicas-max-lag 3."
        return _finding(name, "note", said, advice)
    if look.info.get("role") != "master":
        link = look.info.get("master_link_status", "down")
        said = f"{look.node} is a replica, its link is {link}."
        return _finding(name, "good" if link == "up" else "note", said)
    online = sum(
        "state=online" in value for key, value in look.info.items() if key.startswith("slave")
    )
    said = f"{look.node} has {online} replicas online."
    if online >= GOOD_REPLICAS:
        return _finding(name, "good", said)
    advice = f"Start more: with {GOOD_REPLICAS}, one may be lost without a pause."
    return _finding(name, "note" if online else "mend", said, advice)


def _sentinels(address: Address, watched: str) -> tuple[list[Node], Finding]:
    """The data servers that they know, and whether they are enough and of one mind."""
    sentinels = Sentinels(address.nodes, watched, address.access)
    said = sentinels.ask()
    sentinels.close()
    name, count = "redis sentinels", len(address.nodes)
    nodes = sorted({node for one in said for node in (one.primary, *one.replicas)})
    heard = f"{len(said)} of {count} Sentinels answer"
    if len(said) * 2 <= count:
        advice = "Without most of them no primary is replaced. Start them."
        return nodes, _finding(name, "mend", f"{heard}: {sentinels.complaint}.", advice)
    hasty = min(one.down_after_ms for one in said)
    if hasty < MIN_DOWN_AFTER_MS:
        text = f"{heard}, but replace a primary after {hasty} ms, by what they saw before that."
        advice = "Set down-after-milliseconds 6000: else they may promote a replica that is behind."
        return nodes, _finding(name, "mend", text, advice)
    primaries = {one.primary for one in said}
    if len(primaries) > 1:
        text = f"{heard}, and name {len(primaries)} primaries; the newest word is {choose(said)}."
        return nodes, _finding(name, "note", text, "Look again when the failover is over.")
    if len(said) < max(count, GOOD_SENTINELS):
        advice = f"{GOOD_SENTINELS} on three machines outlive the loss of any one."
        return nodes, _finding(name, "note", f"{heard}.", advice)
    return nodes, _finding(name, "good", f"{heard}, and name {choose(said)}.")


def _finding(
    name: str, verdict: Verdict, said: str, advice: str | None = None, **figures: float | str
) -> Finding:
    return Finding(name=name, verdict=verdict, said=said, advice=advice, figures=figures)
