"""What a set of Redis hosts is made from: the plan, the users, the files, the judgements."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import stat
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from workmill.domain.errors import InvalidInput
from workmill.redis_hosts import acl
from workmill.redis_hosts.certificates import make_authority, make_certificate
from workmill.redis_hosts.plan import (
    Passwords,
    Plan,
    checked_memory,
    checked_networks,
    checked_word,
    hosts_at,
)
from workmill.redis_hosts.prepare import passwords_in, prepare
from workmill.redis_hosts.render import SECRET_FILES, UNITS, HostSettings, host_files
from workmill.redis_hosts.rules import (
    SPARED_SECONDS,
    STRAY_SECONDS,
    Follow,
    Peer,
    Replication,
    Roles,
    Start,
    StartAnew,
    Surroundings,
    Wait,
    is_spared,
    judged_priority,
    judged_start,
)
from workmill.redis_hosts.start import FOUNDING, IN_STEP, found, holds_data

SWITCHES = {"count", "limit", "match", "nx", "px", "withscores", "wrongtype"}
"""Words in the functions that are arguments and errors, not commands."""
ME, OTHER, THIRD = "10.9.0.1", "10.9.0.2", "10.9.0.3"
PASSWORDS = Passwords(
    endpoint="of-endpoint", replication="of-replication", sentinel="of-sentinel", deploy="of-deploy"
)
PLAN = Plan(hosts=hosts_at([ME, OTHER, THIRD]), passwords=PASSWORDS)
FILES = host_files(PLAN, PLAN.hosts[0])
FOUNDING_NOW: Any = {"holds_data": False, "founding": True}


def server(**said: Any) -> Replication:
    """One that follows the other, with what it says otherwise."""
    usual: dict[str, Any] = {"is_primary": False, "link_up": False, "copying": False}
    usual |= {"priority": 100, "promoted": False, "history": "one", "offset": 7, "process": 1}
    usual["follows"] = None if said.get("is_primary") else OTHER
    return Replication(**(usual | said))


def surroundings(
    *named: str | None,
    holds_data: bool = True,
    founding: bool = False,
    peers: tuple[Peer, ...] = (),
) -> Surroundings:
    return Surroundings(ME, named, PLAN.majority, holds_data, founding, peers)


@pytest.mark.parametrize(
    ("seen", "judged"),
    [
        (surroundings(ME, ME, ME), Start(None)),
        (surroundings(ME, ME, None), Start(None)),
        (surroundings(OTHER, OTHER, ME), Start(OTHER)),
        (surroundings(OTHER, OTHER, None, holds_data=False), Start(OTHER)),
        (surroundings(ME, ME, ME, **FOUNDING_NOW), Start(None)),
    ],
)
def test_a_start_that_can_lose_nothing_is_allowed(seen: Surroundings, judged: Start) -> None:
    """A majority decides the role; a primary must have data, or be founded by a person."""
    assert judged_start(seen) == judged


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (surroundings(None, None, None), "must name the same primary"),
        (surroundings(ME, None, None), "must name the same primary"),
        (surroundings(ME, OTHER, None), "must name the same primary"),
        (surroundings(ME, ME, ME, holds_data=False), "would wipe its replicas"),
        (
            surroundings(
                ME, ME, ME, holds_data=False, founding=True, peers=(Peer(OTHER, True, 0),)
            ),
            "there is one already",
        ),
        (
            surroundings(
                ME, ME, ME, holds_data=False, founding=True, peers=(Peer(OTHER, False, 7),)
            ),
            "7 keys",
        ),
    ],
)
def test_a_start_that_could_lose_data_waits(seen: Surroundings, reason: str) -> None:
    """Cut off, in doubt, or empty where data were expected: the server is not started."""
    judged = judged_start(seen)
    assert isinstance(judged, Wait)
    assert reason in judged.reason


@pytest.mark.parametrize(
    ("now", "priority"),
    [
        (server(is_primary=True), 0),
        (server(copying=True), 0),
        (server(link_up=True, priority=0), 100),
        (server(priority=0), 0),
        (server(), 100),
    ],
)
def test_only_a_replica_that_was_in_step_can_be_promoted(now: Replication, priority: int) -> None:
    """One that lost its primary stays promotable; one that never had it all does not become so."""
    assert judged_priority(now) == priority


LED = server(is_primary=True, promoted=True)


def test_a_primary_follows_who_has_replaced_it() -> None:
    """Named in its history, or a primary from its start, and now another is named."""
    roles = Roles(ME)
    assert roles.judged(LED, ME, 0) is None
    assert roles.judged(LED, None, 1) is None
    assert roles.judged(LED, OTHER, 2) == Follow(OTHER)
    assert Roles(ME).judged(server(is_primary=True), OTHER, 0) == Follow(OTHER)


def test_a_primary_that_was_just_promoted_is_left_alone() -> None:
    """It is promoted before it is named; what was said of an earlier history of its does not
    count, and that it is a stray is believed late."""
    roles = Roles(ME)
    assert roles.judged(LED, ME, 0) is None
    again = LED._replace(history="another")
    assert roles.judged(again, OTHER, 1) is None
    assert roles.judged(again, OTHER, 1 + STRAY_SECONDS) is None
    assert roles.judged(again, OTHER, 2 + STRAY_SECONDS) == StartAnew()
    assert roles.judged(again, ME, 3 + STRAY_SECONDS) is None
    assert roles.judged(again, OTHER, 4 + STRAY_SECONDS) == Follow(OTHER)


def test_a_stray_is_one_that_nobody_names_for_long_without_a_break() -> None:
    """While no majority answers, nothing is known; a replica is none."""
    roles = Roles(ME)
    assert roles.judged(LED, OTHER, 0) is None
    for between, named in ((LED, None), (server(), OTHER)):
        assert roles.judged(between, named, STRAY_SECONDS) is None
        assert roles.judged(LED, OTHER, 1 + STRAY_SECONDS) is None


LINKED = server(link_up=True)


@pytest.mark.parametrize(
    ("now", "linked", "spared"),
    [
        (server(), [LINKED], True),
        (server(), [server(link_up=True, offset=8)], True),
        (server(), [], False),
        (server(), [server(link_up=True, offset=6)], False),
        (server(), [server(link_up=True, history="another")], False),
        (server(), [LINKED._replace(follows=THIRD)], False),
        (server(link_up=True), [LINKED], False),
        (server(copying=True), [LINKED], False),
        (server(is_primary=True), [LINKED], False),
    ],
)
def test_only_a_replica_that_has_nothing_of_its_own_is_spared(
    now: Replication, linked: list[Replication], spared: bool
) -> None:
    """Another one, linked to the same primary, has as much of the same history."""
    assert is_spared(now, linked) is spared


def test_who_can_be_spared_is_ended_after_a_while() -> None:
    """And not for what lasted a moment, or has been different in between."""
    roles = Roles(ME)
    assert roles.judged(server(), OTHER, 0, spared=True) is None
    assert roles.judged(server(), OTHER, 1, spared=False) is None
    assert roles.judged(server(), OTHER, 1 + SPARED_SECONDS, spared=True) is None
    assert roles.judged(server(), OTHER, 2 + 2 * SPARED_SECONDS, spared=True) == StartAnew()


def test_a_replica_that_cannot_follow_is_not_started() -> None:
    """It would live, lack changes, and hold them all up; a primary is not held back by this."""
    apart = surroundings(OTHER, OTHER, None)._replace(cut_off=True)
    assert isinstance(judged_start(apart), Wait)
    assert judged_start(surroundings(ME, ME, ME)._replace(cut_off=True)) == Start(None)


def test_a_replica_follows_who_is_named() -> None:
    """Whomever it follows now; one that is named itself waits to be promoted."""
    roles = Roles(ME)
    assert roles.judged(server(), THIRD, 0) == Follow(THIRD)
    assert [roles.judged(server(), named, 0) for named in (OTHER, ME, None)] == [None] * 3


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("redis.conf", "port 0"),
        ("redis.conf", "tls-replication yes"),
        ("redis.conf", "tls-auth-clients yes"),
        ("redis.conf", "protected-mode yes"),
        ("redis.conf", "appendfsync always"),
        ("redis.conf", "no-appendfsync-on-rewrite no"),
        ("redis.conf", 'save ""'),
        ("redis.conf", "maxmemory-policy noeviction"),
        ("redis.conf", "min-replicas-to-write 1"),
        ("redis.conf", "min-replicas-max-lag 3"),
        ("redis.conf", "replica-priority 0"),
        ("redis.conf", f"bind {ME} 127.0.0.1"),
        ("sentinel.conf", "port 0"),
        ("sentinel.conf", "tls-replication yes"),
        ("sentinel.conf", f"sentinel monitor workmill {ME} 6379 2"),
        ("sentinel.conf", "sentinel down-after-milliseconds workmill 6000"),
        ("sentinel.conf", "sentinel parallel-syncs workmill 2"),
        ("sentinel.conf", "sentinel master-reboot-down-after-period workmill 10000"),
        ("users.acl", "user default off resetpass ~* &* +@all"),
        ("sentinel-users.acl", "user default off resetpass resetkeys resetchannels -@all"),
    ],
)
def test_what_safety_rests_on_is_in_the_files(file: str, line: str) -> None:
    """The settings that a promise depends on are there, once."""
    assert FILES[file].splitlines().count(line) == 1


def test_passwords_lie_only_where_a_server_reads_them() -> None:
    """Users' files keep hashes; a host's start knows no password but that of `deploy`."""
    for name, text in FILES.items():
        found = {word for word in msgspec.structs.asdict(PASSWORDS).values() if word in text}
        assert not found or name in SECRET_FILES
    assert "of-endpoint" not in "".join(FILES.values())
    assert re.findall(r"of-\w+", FILES["host.json"]) == ["of-deploy"]


def test_an_endpoint_may_do_what_the_functions_do() -> None:
    """Redis checks the caller of a function: so its rights are the commands in them, no more."""
    texts = [file.read_text() for file in files("workmill.store.redis.functions").iterdir()]
    words = {word.lower() for text in texts for word in re.findall(r"'([A-Z]{2,})'", text)}
    assert words - SWITCHES == set(acl.DATA_COMMANDS)


def test_no_user_has_a_category_of_commands() -> None:
    """Every right is one command by its name: what a newer server adds is not given away."""
    lines = (FILES["users.acl"] + FILES["sentinel-users.acl"]).splitlines()
    named = [line for line in lines if not line.startswith("user default off resetpass ")]
    assert len(named) == len(lines) - 2
    assert [line for line in named if "+@" in line] == []
    assert re.findall(r"~\S+", " ".join(named)) == ["~{w}*"]


def test_units_leave_no_door_open() -> None:
    """A unit hears the set and the networks that were named, and runs without privileges."""
    plan = msgspec.structs.replace(PLAN, client_networks=("10.9.1.0/24",))
    made = host_files(plan, plan.hosts[0])
    for unit in UNITS:
        lines = made[unit].splitlines()
        assert "IPAddressDeny=any" in lines
        assert f"IPAddressAllow=localhost {ME} {OTHER} 10.9.0.3 10.9.1.0/24" in lines
        assert {"CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict"} <= {*lines}


@pytest.mark.parametrize("addresses", [[ME, OTHER], [ME, ME, OTHER], [ME, OTHER, "redis-3"]])
def test_a_set_is_three_addresses(addresses: list[str]) -> None:
    """Two hosts, or names that a resolver must know, are refused with the reason."""
    with pytest.raises(InvalidInput, match="Nothing was made"):
        hosts_at(addresses)


@pytest.mark.parametrize("word", ["", "w}", "a b", "x" * 33])
def test_a_name_cannot_end_a_line(word: str) -> None:
    """What stands in configuration is a plain word."""
    with pytest.raises(InvalidInput):
        checked_word(word, "the name of a set")


def test_memory_has_a_bound() -> None:
    """To Redis 0 means none: a host that runs out of memory loses its server."""
    assert checked_memory(2**30) == 2**30
    for memory_bytes in (-1, 0, 1024):
        with pytest.raises(InvalidInput, match="memory of a data server"):
            checked_memory(memory_bytes)


@pytest.mark.parametrize("network", ["any", "10.9.0.1/8", "10.9.1.0/24\nUser=root"])
def test_what_a_unit_lets_in_is_a_network(network: str) -> None:
    """And nothing else: it could open everything, or write settings of its own."""
    with pytest.raises(InvalidInput, match="Give networks"):
        checked_networks(["10.9.1.0/24", network])


def test_an_authority_that_was_not_finished_is_made(tmp_path: Path) -> None:
    """Its key was there and its certificate not: nothing has been signed with it."""
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.key").write_text("half a key")
    make_authority(tmp_path / "ca", "test")
    make_certificate(tmp_path / "ca", tmp_path / "host", "redis-1", ME)
    assert (tmp_path / "host" / "host.crt").exists()


def test_preparing_again_keeps_authority_and_passwords(tmp_path: Path) -> None:
    """A set is changed by preparing it again: certificates are new, secrets stay and are closed."""
    folder = tmp_path / "set"
    plan = msgspec.structs.replace(PLAN, passwords=passwords_in(folder))
    prepare(folder, plan)
    authority, certificate = folder / "ca" / "ca.crt", folder / "redis-1" / "tls" / "host.crt"
    before = authority.read_text(), certificate.read_text()
    assert passwords_in(folder) == plan.passwords
    prepare(folder, plan)
    assert authority.read_text() == before[0]
    assert certificate.read_text() != before[1]
    secret = [folder / "passwords.json", folder / "ca" / "ca.key", folder / "endpoint" / "password"]
    secret += [folder / "redis-1" / name for name in (*SECRET_FILES, "tls/host.key")]
    assert [file for file in secret if file.stat().st_mode & stat.S_IRWXO] == []
    ssl.create_default_context(cafile=str(authority)).load_cert_chain(
        certificate, certificate.with_name("host.key")
    )


def test_a_store_is_founded_only_where_there_is_none(tmp_path: Path) -> None:
    """The word that lets a primary begin with nothing is not taken where there is something."""
    places = msgspec.structs.replace(PLAN.places, data=str(tmp_path))
    settings = HostSettings(host=PLAN.hosts[0], plan=msgspec.structs.replace(PLAN, places=places))
    found(settings)
    assert (tmp_path / FOUNDING).exists()
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("file")
    assert not holds_data(tmp_path), "a log that was never in step is no data"
    (tmp_path / IN_STEP).touch()
    with pytest.raises(InvalidInput, match="holds a store already"):
        found(settings)


@pytest.mark.skipif(
    not shutil.which("systemd-analyze") and os.environ.get("CI") != "true",
    reason="needs systemd-analyze",
)
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """No word in a unit is unknown to systemd."""
    places = msgspec.structs.replace(
        PLAN.places, python="/usr/bin/env", redis_server="/usr/bin/env"
    )
    made = host_files(msgspec.structs.replace(PLAN, places=places), PLAN.hosts[0])
    for unit in UNITS:
        (tmp_path / unit).write_text(made[unit])
    run = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / unit) for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
