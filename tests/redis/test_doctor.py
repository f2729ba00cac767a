"""The doctor looks at real servers and says what must be mended before they are relied on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.redis_servers import RedisServer, ReplicatedRedis, running_redis
from tests.system.processes import free_port, run

from workmill.doctor import redis
from workmill.doctor.redis import Look, judged, store
from workmill.store.redis.addresses import Access, Address, Node
from workmill.store.redis.connection import Connection

SOUND = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    "maxmemory": "1073741824",
    "min-replicas-to-write": "1",
}
LEADS = {"redis_version": "7.0.15", "role": "master", "connected_slaves": "2"}
ONLINE = {"slave0": "ip=r,port=1,state=online", "slave1": "ip=r,port=2,state=online"}


def verdicts(
    config: dict[str, str] | None = None,
    info: dict[str, str] | None = None,
    *,
    host: str = "127.0.0.1",
    open_door: bool = False,
    replayer: tuple[str, str] | None = ("+@all", "~*"),
    ahead_seconds: float | None = 0.0,
) -> dict[str, str]:
    shown = Look(
        node=Node(host, 6379),
        info=LEADS | ONLINE | (info or {}),
        config=SOUND | (config or {}),
        open_door=open_door,
        replayer=replayer,
        ahead_seconds=ahead_seconds,
    )
    return {finding.name: finding.verdict for finding in judged(shown, replicated=True)}


def test_a_sound_server_has_nothing_to_mend() -> None:
    """Log synced, memory bounded and never evicted, two replicas."""
    assert set(verdicts().values()) == {"good"}


@pytest.mark.parametrize(
    ("setting", "value", "name", "verdict"),
    [
        ("appendonly", "no", "redis log", "mend"),
        ("appendfsync", "everysec", "redis log", "mend"),
        ("no-appendfsync-on-rewrite", "yes", "redis log", "mend"),
        ("maxmemory-policy", "allkeys-lru", "redis memory", "mend"),
        ("maxmemory", "0", "redis memory", "note"),
        ("min-replicas-to-write", "0", "redis replicas", "note"),
    ],
)
def test_each_setting_is_judged(setting: str, value: str, name: str, verdict: str) -> None:
    """`mend` where a promise cannot be kept, `note` where something could be better."""
    assert verdicts({setting: value})[name] == verdict


@pytest.mark.parametrize(
    ("info", "name", "verdict"),
    [
        ({"redis_version": "6.2.1"}, "redis", "mend"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, "redis", "good"),
        ({"slave1": ""}, "redis replicas", "note"),
        ({"slave0": "", "slave1": "state=wait_bgsave"}, "redis replicas", "mend"),
        ({"role": "slave", "master_link_status": "up"}, "redis replicas", "good"),
        ({"role": "slave", "master_link_status": "down"}, "redis replicas", "note"),
    ],
)
def test_what_a_server_is_is_judged(info: dict[str, str], name: str, verdict: str) -> None:
    """Its version, and whether its replicas are there."""
    assert verdicts(info=info)[name] == verdict


def test_an_open_door_is_worse_when_it_is_far() -> None:
    """On loopback anyone here may come in; beyond it anyone at all, and may listen too."""
    assert verdicts(open_door=True)["redis users"] == "note"
    assert verdicts(open_door=True, host="10.0.0.7")["redis users"] == "mend"
    assert verdicts({"port": "6379"}, host="redis.example")["redis tls"] == "note"


@pytest.mark.parametrize(
    ("rights", "verdict"),
    [(("-@all", ""), "mend"), (("+@all -flushall", "~*"), "mend"), (None, "note")],
)
def test_who_reads_the_log_back_must_be_allowed_to(
    rights: tuple[str, str] | None, verdict: str
) -> None:
    """Redis replays its log as `default`: what that user may not do is lost at the next start."""
    assert verdicts(replayer=rights)["redis replay"] == verdict


@pytest.mark.parametrize(
    ("ahead_seconds", "verdict"), [(0.9, "good"), (-0.9, "good"), (1.5, "note"), (None, "note")]
)
def test_a_clock_that_is_apart_is_noted(ahead_seconds: float | None, verdict: str) -> None:
    """Leases go by it; a user who may not ask for it is told so."""
    assert verdicts(ahead_seconds=ahead_seconds)["redis clock"] == verdict


def test_the_clock_of_a_real_server_is_compared(
    plain: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the wall clock here, in both directions; the way of the answer is nobody's fault."""
    access = plain.address.access
    assert redis.look(plain.node, access).ahead_seconds == pytest.approx(0, abs=0.5)
    now = time.time
    for apart_seconds in (-100.0, 100.0):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda apart=apart_seconds: now() - apart)
            found = redis.look(plain.node, access).ahead_seconds
        assert found == pytest.approx(apart_seconds, abs=5)


def test_rights_are_read_from_a_real_server(plain: RedisServer) -> None:
    """A `default` that is off and keeps its rights is right; one without rights is not."""
    plain.ask("ACL", "SETUSER", "admin", "on", ">secret", "~*", "+@all")
    admin = Access(user="admin", password="secret")  # noqa: S106
    someone = Connection(plain.node, admin)
    for right, found in (("-@all", True), ("+@all", False)):
        someone.ask("ACL", "SETUSER", "default", "off", right)
        names = [one.name for one in judged(redis.look(plain.node, admin), replicated=False)]
        assert ("redis replay" in names) == found
    someone.close()


def test_a_server_that_is_not_there_must_be_mended() -> None:
    """With its address."""
    (finding,) = store(Address(nodes=(Node("127.0.0.1", free_port()),)))
    assert finding.verdict == "mend"
    assert "could not be reached" in finding.said


def test_what_may_not_be_read_is_not_guessed(plain: RedisServer) -> None:
    """A user with the endpoint's few commands cannot see the settings, and is told who can."""
    plain.ask("ACL", "SETUSER", "mill", "on", ">secret", "~*", "+ping", "+info")
    shown = redis.look(plain.node, Access(user="mill", password="secret"))  # noqa: S106
    assert shown.config is None
    assert [one.name for one in judged(shown, replicated=False)][-1] == "redis settings"


def test_the_command_looks_at_a_whole_cluster(watched: ReplicatedRedis, tmp_path: Path) -> None:
    """Sentinels, primary and replicas; and it fails when one of them can lose data."""
    words = ("doctor", "--store", watched.url, "--data", str(tmp_path), "--port", "0", "--json")
    hasty = json.loads(run(*words).stdout)
    assert [one["name"] for one in hasty["findings"] if one["verdict"] == "mend"] == [
        "redis sentinels"
    ]
    for sentinel in watched.sentinels:
        sentinel.ask("SENTINEL", "SET", "mill", "down-after-milliseconds", 6000)
    report = json.loads(run(*words).stdout)
    found = [one["name"] for one in report["findings"]]
    assert found.count("redis log") == 3
    assert "redis sentinels" in found
    assert "sqlite" not in found
    assert report["healthy"]
    watched.replicas()[0].ask("CONFIG", "SET", "appendfsync", "no")
    assert run(*words).returncode == 1


def test_the_command_looks_at_every_part(tmp_path: Path) -> None:
    """Several addresses are looked at one by one: what is wrong with one is said of that one."""
    with running_redis(tmp_path / "sound") as sound, running_redis(tmp_path / "lax") as lax:
        stores = ("--store", str(sound.address), "--store", str(lax.address))
        words = ("doctor", *stores, "--data", str(tmp_path), "--port", "0", "--json")
        report = json.loads(run(*words).stdout)
        assert report["healthy"]
        assert [one["name"] for one in report["findings"]].count("redis log") == 2
        lax.ask("CONFIG", "SET", "appendfsync", "no")
        sound.kill()
        done = run(*words)
    assert done.returncode == 1
    to_mend = [one for one in json.loads(done.stdout)["findings"] if one["verdict"] == "mend"]
    assert [(one["name"], str(one["said"]).split()[0].rstrip(":")) for one in to_mend] == [
        ("redis", str(sound.node)),
        ("redis log", str(lax.node)),
    ]
