"""The watch beside a data server keeps what endpoints may not read, and therefore rely on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.redis_servers import RedisServer, folder, running_redis
from tests.system.processes import until

from workmill.redis_hosts import data_files
from workmill.redis_hosts.data_files import MANIFEST, DataFiles
from workmill.redis_hosts.data_server import Server
from workmill.redis_hosts.plan import Passwords, Plan, hosts_at
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.watch import ended_without_files, keep_log
from workmill.store.redis.connection import Connection

PLAN = Plan(
    hosts=hosts_at(["127.0.0.2", "127.0.0.3", "127.0.0.4"]),
    passwords=Passwords(endpoint="e", replication="r", sentinel="s", deploy="d"),
)


@pytest.fixture
def lasting() -> Iterator[RedisServer]:
    """A server of its own, for it is ended."""
    with folder() as parent, running_redis(parent / "data") as server:
        yield server


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [("appendfsync", "everysec", b"always"), ("no-appendfsync-on-rewrite", "yes", b"no")],
)
def test_a_setting_of_the_log_is_set_right_again(
    plain: RedisServer,
    setting: str,
    value: str,
    right: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """And said once, with its name. A server that is set right is left alone."""
    monkeypatch.setattr(Server, "_connected", lambda _: Connection(plain.node, plain.access))
    settings = HostSettings(host=PLAN.hosts[0], plan=PLAN)
    server = Server(settings, settings.host)
    plain.ask("CONFIG", "SET", setting, value)
    for _ in range(2):
        now = server.look()
        assert now is not None
        keep_log(server, settings, now)
    assert plain.ask("CONFIG", "GET", setting)[1] == right
    said = capfdbinary.readouterr().err
    assert said.count(b'"redis.log_mended"') == 1
    assert b'"settings":"%s"' % setting.encode() in said
    server.close()


def removed(data: Path) -> None:
    shutil.rmtree(data)


def moved(data: Path) -> None:
    data.rename(data.with_name("elsewhere"))


def replaced(data: Path) -> None:
    """By a copy of itself, as a backup that is put back while the server runs."""
    moved(data)
    shutil.copytree(data.with_name("elsewhere"), data)


def without_log(data: Path) -> None:
    shutil.rmtree(data / "appendonlydir")


def without_manifest(data: Path) -> None:
    (data / MANIFEST).unlink()


def log_removed(data: Path) -> None:
    next((data / MANIFEST).parent.glob("*.incr.aof")).unlink()


def log_replaced(data: Path) -> None:
    log = next((data / MANIFEST).parent.glob("*.incr.aof"))
    copy = log.with_name("copy")
    shutil.copy(log, copy)
    copy.replace(log)


def log_emptied(data: Path) -> None:
    """To make room, without ending the server."""
    os.truncate(next((data / MANIFEST).parent.glob("*.incr.aof")), 0)


FAULTS = [
    *(removed, moved, replaced, without_log, without_manifest),
    *(log_removed, log_replaced, log_emptied),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_whose_files_are_gone_acknowledges_nothing_more(
    fault: Callable[[Path], None],
    lasting: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """It is ended at the next look, and the log says which of them is gone."""
    monkeypatch.setattr(Server, "_connected", lambda _: Connection(lasting.node, lasting.access))
    settings = HostSettings(host=PLAN.hosts[0], plan=PLAN)
    server, files = Server(settings, settings.host), DataFiles(lasting.directory)
    lasting.ask("SET", "key", "kept")
    now = server.look()
    assert now is not None
    for _ in range(2):
        lasting.ask("BGREWRITEAOF")  # names files anew, which is no fault
        assert not ended_without_files(files, settings, now)
        until(lambda: b"aof_rewrite_in_progress:0" in lasting.ask("INFO", "persistence"))
    lasting.ask("SET", "key", "kept" * 100)  # into the log that is the last one
    assert not ended_without_files(files, settings, now)
    fault(lasting.directory)
    assert lasting.ask("SET", "key", "lost") == b"OK"  # so the server itself says nothing
    assert ended_without_files(files, settings, now)
    assert lasting.process.wait() == -signal.SIGKILL
    assert capfdbinary.readouterr().err.count(b'"redis.files_lost"') == 1
    server.close()


def test_a_directory_that_was_replaced_before_the_watch_began_is_told(
    lasting: RedisServer,
) -> None:
    """The process says in which directory it works, whoever looks first."""
    replaced(lasting.directory)
    assert "another directory" in str(DataFiles(lasting.directory).problem(lasting.process.pid))


def test_a_log_that_is_rewritten_while_it_is_looked_at_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the manifest named a moment ago is deleted by the server itself."""
    manifest = tmp_path / MANIFEST
    manifest.parent.mkdir()
    (manifest.parent / "new").touch()
    texts = iter(["file old seq 1 type i", *["file new seq 2 type i"] * 2])
    monkeypatch.setattr(data_files, "_text", lambda _: next(texts))
    monkeypatch.setattr(data_files, "_worked_in", lambda _: None)
    assert DataFiles(tmp_path).problem(1) is None
