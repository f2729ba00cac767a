"""A cluster that cannot begin: nothing is started, and the person is told why."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from tests.redis_servers import folder

from workmill.cluster import run
from workmill.cluster.plan import Programs
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.runtime.config import ClusterConfig, Elastic, ElasticEndpoints

PROGRAMS = Programs(redis_server="redis-server", haproxy="haproxy", user="u", group="g")


def begun(data: Path, monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1") -> None:
    monkeypatch.setattr(run, "find_programs", lambda: PROGRAMS)
    monkeypatch.setattr(run, "begin", lambda _: None)
    config = ClusterConfig(
        host=host,
        port=0,
        data=str(data),
        endpoints=ElasticEndpoints(min_endpoints=1, max_endpoints=1),
        workers=Elastic(min_workers=1, max_workers=1),
        open_without_key=True,
    )
    run.run_cluster(config, lambda _: pytest.fail("it was ready"))


@pytest.mark.parametrize("name", ["lock", "log"])
def test_a_directory_that_cannot_be_used_is_said(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the way is not a traceback; a full disk is told by the same words."""
    with folder() as data:
        if name == "lock":
            (data / name).mkdir()
        else:
            (data / name).touch()
        with pytest.raises(InvalidInput, match=r"cannot be used.*Nothing was started"):
            begun(data, monkeypatch)


def test_a_directory_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same."""
    with pytest.raises(InvalidInput, match=r"cannot be used.*Nothing was started"):
        begun(Path("/proc/no/cluster"), monkeypatch)


@pytest.mark.parametrize("name", ["my data", "50%", "a+b", "a&b", "it's", "a\nb"])
def test_a_path_that_would_be_read_as_another_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoints would look for their password elsewhere, and the start would never end."""
    with folder() as data:
        with pytest.raises(InvalidInput, match="cannot stand in the files"):
            begun(data / name, monkeypatch)
        assert not (data / name).exists()


def test_a_path_that_is_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    with folder() as data:
        with pytest.raises(InvalidInput, match="too long for the sockets"):
            begun(data / ("x" * 80), monkeypatch)
        assert not (data / ("x" * 80)).exists()


def test_a_second_cluster_on_a_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two supervisors would take each other's sockets and files."""
    with folder() as data, (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match=r"runs on .* already"):
            begun(data, monkeypatch)
        assert [one.name for one in data.iterdir()] == ["lock"]


def test_a_lock_is_held_when_its_name_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the directory: neither what lies there nor what it is called has to stay."""
    with folder() as data, run._owned(data):
        (data / "lock").unlink()
        other = data.with_name(f"{data.name}-moved")
        data.rename(other)
        try:
            with pytest.raises(Unavailable, match=r"runs on .* already"):
                begun(other, monkeypatch)
            assert list(other.iterdir()) == []
        finally:
            other.rename(data)


def test_an_address_of_others_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said at once, and not after every free port was tried there."""
    with folder() as data:
        with pytest.raises(Unavailable, match=r"Cannot listen on '192.0.2.1'.*--host"):
            begun(data / "new", monkeypatch, host="192.0.2.1")
        assert not (data / "new").exists()
