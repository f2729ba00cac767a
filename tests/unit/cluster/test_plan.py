"""A cluster as data: who listens where, what is run, and what must not be started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from workmill.cluster import plan, ports, programs, redis_store
from workmill.cluster.plan import ClusterPlan, Programs
from workmill.cluster.rolling_restart import next_host
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.redis_hosts.plan import Passwords, Plan, hosts_at
from workmill.redis_hosts.render import host_files
from workmill.redis_hosts.start import FOUNDING, IN_STEP
from workmill.runtime.config import ClusterConfig, Elastic, ElasticEndpoints, EndpointConfig
from workmill.supervisor.processes import Command

PASSWORDS = Passwords(endpoint="e", replication="r", sentinel="s", deploy="d")


def cluster(folder: Path, port: int = 5000) -> ClusterPlan:
    return ClusterPlan(
        config=ClusterConfig(
            port=port,
            data=str(folder),
            endpoints=ElasticEndpoints(min_endpoints=2, max_endpoints=4),
            workers=Elastic(min_workers=1, max_workers=2),
        ),
        folder=folder,
        programs=Programs(redis_server="/r", haproxy="/h", user="me", group="us"),
        balancer_file=Path("/haproxy.cfg"),
        store=Plan(hosts=hosts_at(list(plan.ADDRESSES)), passwords=PASSWORDS),
    )


def commands(made: ClusterPlan) -> list[Command]:
    return [
        *plan.store_commands(made),
        plan.balancer_command(made),
        *(plan.endpoint(made, number) for number in made.endpoint_numbers),
        plan.worker(made),
        *plan.controllers(made),
    ]


def test_nobody_is_in_the_way_of_another(tmp_path: Path) -> None:
    """Every process has a name, an address and a log of its own; the door alone may be public."""
    made = cluster(tmp_path)
    places = plan.listening(made)
    assert len(set(places)) == len(places)
    assert {made.endpoint_place(number) for number in made.endpoint_numbers} <= set(places)
    assert all(host.startswith("127.") for host, _ in places[1:])
    single = [one for one in commands(made) if one.role not in ("endpoint", "worker")]
    assert len({one.role for one in single}) == len(single)
    logs = [one.log for one in single if one.log]
    assert len(set(logs)) == len(logs)


def test_a_host_on_loopback_listens_at_its_own_address_alone() -> None:
    """Three hosts share one loopback; elsewhere a host answers itself there too, as before."""
    here = Plan(hosts=hosts_at(list(plan.ADDRESSES)), passwords=PASSWORDS)
    away = Plan(hosts=hosts_at(["10.9.0.1", "10.9.0.2", "10.9.0.3"]), passwords=PASSWORDS)
    for name in ("redis.conf", "sentinel.conf"):
        assert "\nbind 127.0.0.2\n" in host_files(here, here.hosts[1])[name]
        assert "\nbind 10.9.0.2 127.0.0.1\n" in host_files(away, away.hosts[1])[name]


def test_no_secret_is_in_a_command(tmp_path: Path) -> None:
    """Whoever lists processes learns where passwords lie, not what they are."""
    passwords = msgspec.structs.asdict(PASSWORDS)
    long = Passwords(**{name: f"of-{name}-only" for name in passwords})
    made = cluster(tmp_path)
    made = msgspec.structs.replace(made, store=msgspec.structs.replace(made.store, passwords=long))
    said = repr(commands(made))
    assert not [word for word in msgspec.structs.asdict(long).values() if word in said]


def test_endpoints_take_no_more_from_the_balancer_when_they_drain(tmp_path: Path) -> None:
    """They say so as long as the balancer needs to see it, and are on loopback behind it."""
    words = plan.endpoint(cluster(tmp_path), 3).argv[-1]
    config = msgspec.json.decode(words, type=EndpointConfig)
    assert (config.host, config.port, config.notice_seconds) == ("127.0.0.1", 5003, 3.0)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        yield int(somebody.getsockname()[1])


def test_a_taken_port_is_said_by_name(taken: int) -> None:
    """The person learns which address is in the way, and that nothing was started."""
    with pytest.raises(Unavailable, match=f"127.0.0.1 port {taken}: .*Nothing was started"):
        ports.wait_until_free([("127.0.0.1", taken)], patience_seconds=0)
    ports.wait_until_free([("127.0.0.3", taken)], patience_seconds=0)


def test_clusters_find_ports_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store takes the usual ports when they are free, and others than those of any neighbour,
    of the door and of the endpoints."""
    busy: set[int] = set()
    monkeypatch.setattr(ports, "is_free", lambda _host, port: port not in busy)
    assert ports.choose_store(5000, 5) == (6379, 26379)
    busy.add(26380)
    assert ports.choose_store(5001, 5) == (6381, 26381)
    busy.clear()
    inside = ports.choose_store(7758, 10_000)
    assert not {*inside} & {*range(7758, 17_759)}


def test_a_store_is_founded_once(tmp_path: Path) -> None:
    """On the first start, and again if that never came to anything; never where a host has been
    in step, whatever happened to the others."""
    made = cluster(tmp_path)
    for one in plan.folders(made):
        one.mkdir()
    data = [made.store_folder / host.name / "data" for host in made.store.hosts]
    redis_store.prepare_store(made)
    assert (data[0] / FOUNDING).exists()
    (data[0] / FOUNDING).unlink()
    redis_store.prepare_store(made)
    assert (data[0] / FOUNDING).exists()
    (data[0] / FOUNDING).unlink()
    (data[2] / IN_STEP).touch()
    redis_store.prepare_store(made)
    assert not (data[0] / FOUNDING).exists()
    assert redis_store.founded_plan(made.store_folder) is not None


def test_what_sentinels_learnt_is_kept(tmp_path: Path) -> None:
    """A new start leaves their own copy alone; a store that was moved is not started."""
    made = cluster(tmp_path)
    for one in plan.folders(made):
        one.mkdir()
    redis_store.prepare_store(made)
    own = made.store_folder / "redis-2" / "sentinel" / "sentinel.conf"
    learnt = own.read_text() + "sentinel current-epoch 7\n"
    own.write_text(learnt)
    redis_store.prepare_store(made)
    assert own.read_text() == learnt
    own.write_text(learnt.replace(str(tmp_path), "/elsewhere"))
    with pytest.raises(InvalidInput, match="Move it back"):
        redis_store.prepare_store(made)


@pytest.mark.parametrize("missing", ["haproxy", "redis-server", "openssl"])
def test_what_is_missing_is_said(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person reads what to install, and that nothing was started."""
    monkeypatch.setattr(
        "shutil.which",
        lambda name, path=None: None if name == missing else f"{path or '/usr/bin'}/{name}",
    )
    with pytest.raises(InvalidInput, match=f"Nothing was started.*apt-get install {missing}"):
        programs.find_programs()


def test_the_primary_is_restarted_last() -> None:
    """Whoever leads when its turn comes, however that came about."""
    one, two, three = hosts_at(["10.9.0.1", "10.9.0.2", "10.9.0.3"])
    assert next_host([one, two, three], one) == two
    assert next_host([one, three], three) == one
    assert next_host([three], three) == three
