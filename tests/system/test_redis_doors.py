"""The doors of a set of Redis hosts: TLS everywhere, by our own authority, and nothing else."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.retry import Retry
from tests.hosts.hosts import Hosts
from tests.system.processes import until

from workmill.redis_hosts.certificates import make_authority, make_certificate

SPARE_PORT = 6390
ONCE = Retry(NoBackoff(), 0)


@pytest.fixture
def ports(hosts: Hosts) -> tuple[int, int]:
    return hosts.plan.redis_port, hosts.plan.sentinel_port


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Certificates of somebody else's authority, right in all else."""
    make_authority(tmp_path / "ca", "workmill store")
    make_certificate(tmp_path / "ca", tmp_path / "tls", "endpoint", None)
    return tmp_path / "tls"


def test_plain_words_are_refused(hosts: Hosts, ports: tuple[int, int]) -> None:
    """Who speaks without TLS gets no answer, neither from a server nor from a Sentinel."""
    for port in ports:
        with (
            redis.Redis(host=hosts.plan.hosts[0].address, port=port, retry=ONCE) as plain,
            pytest.raises(Unreachable),
        ):
            plain.ping()


def test_no_other_door_is_open(hosts: Hosts, ports: tuple[int, int]) -> None:
    """On each host the two ports listen on its own address, and nothing else does."""
    for host in hosts.plan.hosts:
        words = hosts.network.command(host.name, "ss", "-Hltn")
        heard = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        addresses = {line.split()[3] for line in heard.splitlines()}
        expected = {f"{at}:{port}" for at in (host.address, "127.0.0.1") for port in ports}
        assert addresses == expected


def test_a_stranger_is_refused(hosts: Hosts, ports: tuple[int, int], stranger: Path) -> None:
    """A certificate by another authority opens nothing, although user and password are right."""
    foreign = {
        "ssl_certfile": str(stranger / "host.crt"),
        "ssl_keyfile": str(stranger / "host.key"),
    }
    for port in ports:
        for shown in (foreign, {"ssl_certfile": None, "ssl_keyfile": None}):
            with (
                hosts.connected("redis-1", "deploy", port=port, **shown) as client,
                pytest.raises(Unreachable),
            ):
                client.ping()


def test_a_false_server_is_refused(hosts: Hosts, ports: tuple[int, int], stranger: Path) -> None:
    """A client that trusts another authority does not tell our servers its password."""
    for port in ports:
        other = hosts.connected(
            "redis-1", "deploy", port=port, ssl_ca_certs=str(stranger / "ca.crt")
        )
        with other, pytest.raises(Unreachable, match="certificate verify failed"):
            other.ping()


@pytest.fixture
def unguarded(hosts: Hosts, tmp_path: Path) -> Iterator[int]:
    """A server on redis-1 that has the set's configuration, but whose users were lost."""
    machine = hosts.machines["redis-1"]
    (tmp_path / "users.acl").touch()
    changed = ["--tls-port", str(SPARE_PORT), "--dir", str(tmp_path)]
    changed += ["--aclfile", str(tmp_path / "users.acl")]
    words = [machine.plan.places.redis_server, str(machine.folder / "redis.conf"), *changed]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(hosts.network.command("redis-1", *words), stdout=log, stderr=log)
    try:
        until(lambda: reached(machine.host.address))
        yield SPARE_PORT
    finally:
        server.kill()
        server.wait()


def reached(address: str) -> bool:
    with socket.socket() as door:
        return door.connect_ex((address, SPARE_PORT)) == 0


def test_lost_users_open_nothing(hosts: Hosts, unguarded: int) -> None:
    """Protected mode is on: without a users' file a server hears only its own machine."""
    nobody: dict[str, Any] = {"port": unguarded, "username": None, "password": None}
    with hosts.connected("redis-1", "deploy", **nobody) as far, pytest.raises(Unreachable):
        far.ping()
    with (
        hosts.network.inside("redis-1"),
        hosts.connected("redis-1", "deploy", address="127.0.0.1", **nobody) as near,
    ):
        assert near.ping()
