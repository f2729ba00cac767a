"""What a person types: preparing a set, looking at it, hurting the local one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.hosts.__main__ import HELP, answer
from tests.hosts.hosts import Hosts

from workmill.redis_hosts.render import UNITS
from workmill.redis_hosts.status import status

PREPARE = (sys.executable, "-P", "-m", "workmill.redis_hosts", "prepare")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PREPARE, *words], capture_output=True, text=True, check=False)


def test_prepare_writes_a_folder_for_each_host(tmp_path: Path) -> None:
    """Three addresses become everything that goes to three hosts and to endpoints."""
    made = run(str(tmp_path / "set"), "10.9.0.1", "10.9.0.2", "10.9.0.3", "--allow", "10.9.1.0/24")
    assert (made.returncode, made.stderr) == (0, "")
    for host in ("redis-1", "redis-2", "redis-3"):
        names = {file.name for file in (tmp_path / "set" / host).iterdir()}
        assert {"redis.conf", "sentinel.conf", "users.acl", "host.json", "tls", *UNITS} <= names
    address = (tmp_path / "set" / "endpoint" / "address").read_text()
    assert "endpoint@10.9.0.1:26379,10.9.0.2:26379,10.9.0.3:26379/workmill?" in address


def test_prepare_refuses_in_words(tmp_path: Path) -> None:
    """A mistake is told in one line, with what was done and what to do, and makes nothing."""
    made = run(str(tmp_path / "set"), "10.9.0.1", "10.9.0.2", "redis-three")
    assert made.returncode == 1
    assert "Nothing was made" in made.stderr
    assert not (tmp_path / "set").exists()


def test_status_tells_who_is_what(hosts: Hosts) -> None:
    """One line for each host: its role, whether it is in step, what its Sentinel says."""
    lines = status(hosts.machines["redis-1"].settings).splitlines()
    assert len(lines) == 4
    assert sum("server: primary" in line for line in lines) == 1
    assert sum("replica, in step, can be promoted" in line for line in lines) == 2


def test_the_local_set_is_hurt_and_mended(hosts: Hosts) -> None:
    """The words of scripts/redis-hosts do what they say, and a mistake is answered with help."""
    replica = hosts.replicas()[0]
    assert answer(hosts, ["kill", replica, "sentinel"]) == "Done."
    assert answer(hosts, ["status"]).count("does not answer") == 1
    assert answer(hosts, ["isolate", replica]) == "Done."
    assert answer(hosts, ["status"]).count("does not answer") == 2
    assert answer(hosts, ["mend"]) == "Done."
    assert "does not answer" not in answer(hosts, ["status"])
    assert answer(hosts, ["mendd"]) == HELP
