"""The doctor says `mend` when a promise cannot be kept, and only then."""

from __future__ import annotations

import ctypes
import resource
import shlex
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from workmill.doctor import examine, machine, storage
from workmill.doctor import kernel as kernel_room
from workmill.doctor import port as service
from workmill.endpoint.listener import listen
from workmill.runtime.config import EndpointConfig
from workmill.telemetry.container_limits import Container


def test_a_report_is_healthy_when_nothing_must_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`healthy` says what the findings say, in both directions."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    config = EndpointConfig(port=port, data=str(tmp_path / "not" / "there" / "yet"))
    report = examine(config)
    assert report.healthy == ("mend" not in {finding.verdict for finding in report.findings})
    assert not (tmp_path / "not").exists()
    monkeypatch.setattr(storage, "_kind_of", lambda _: "nfs4")
    assert not examine(config).healthy


def test_one_odd_look_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without /proc, or one that forbids a call: a note in its place, and the rest."""
    odd = {machine: ("memory", "open_files", "clock"), storage: ("filesystem", "free_space")}
    config = EndpointConfig(port=0, data=str(tmp_path / "b\udcff and $HOME"))
    usual = [finding.name for finding in examine(config).findings]

    def fail(*_given: object, **_named: object) -> None:
        raise FileNotFoundError(2, "No such file", "/proc/meminfo")

    for room, looks in odd.items():
        for look in looks:
            monkeypatch.setattr(room, look, fail)
    report = examine(config)
    assert [finding.name for finding in report.findings] == usual
    notes = [finding for finding in report.findings if "could not be looked at" in finding.said]
    assert len(notes) == 5
    assert report.command.endswith(f"--data {shlex.quote(config.data)}")


@pytest.mark.parametrize(
    ("alone", "words"),
    [(True, "no step of it ends a lease"), (False, "go by the Redis servers' clocks, not by")],
)
def test_the_clock_is_judged_by_what_goes_by_it(
    alone: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory's store counts on from when it was opened; on Redis leases go by its clock."""
    found = SimpleNamespace(adjtimex=lambda _: 5)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: found)
    finding = machine.clock(alone=alone)
    assert finding.verdict == "note"
    assert words in (finding.advice or "")
    found.adjtimex = lambda _: 0
    assert machine.clock(alone=alone).verdict == "good"


@pytest.mark.parametrize(
    ("kind", "verdict"), [("ext4", "good"), ("tmpfs", "note"), ("nfs4", "mend"), ("cifs", "mend")]
)
def test_the_file_system_is_judged(
    kind: str, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store on a network file system can be corrupted, one in memory forgets."""
    monkeypatch.setattr(storage, "_kind_of", lambda _: kind)
    assert storage.filesystem(tmp_path).verdict == verdict


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_place_of_the_directory_must_be_mended(tmp_path: Path, below: str) -> None:
    """No service would start there, whatever file system is around it."""
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to("gone")
    for name in ("file", "nowhere"):
        found = storage.filesystem(tmp_path / name / below)
        assert (found.verdict, found.said) == ("mend", f"{tmp_path / name} is not a directory.")


def test_the_kind_is_that_of_the_nearest_mount() -> None:
    """/proc is a mount of its own below /."""
    assert storage._kind_of(Path("/proc/self")) == "proc"
    assert storage._kind_of(Path("/")) != "unknown"


def test_a_full_disk_must_be_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room nothing new can be promised."""
    full = type(shutil.disk_usage("/"))(total=10, used=10, free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    assert storage.free_space(tmp_path).verdict == "mend"


def test_a_slow_disk_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow sync makes replies slow, but every promise is kept."""
    monkeypatch.setattr(storage, "_sync_seconds", lambda _: [0.05] * 3)
    assert storage.sync(tmp_path).verdict == "note"


def test_a_place_that_cannot_be_written_must_be_mended() -> None:
    """/proc takes no files, whoever asks."""
    assert storage.sync(Path("/proc")).verdict == "mend"


@pytest.mark.parametrize(("limit", "verdict"), [(65536, "good"), (1024, "note"), (64, "mend")])
def test_open_files_are_judged(limit: int, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection takes a descriptor."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, 65536))
    assert machine.open_files().verdict == verdict


def test_too_little_memory_must_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's limit counts as much as the machine's own memory."""
    monkeypatch.setattr(Container, "free_bytes", lambda _: 2**20)
    assert machine.memory().verdict == "mend"


def test_the_fallback_is_named_with_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C kernel the doctor says so, what it costs, and what to do."""
    monkeypatch.setattr(kernel_room, "kernel_name", lambda: "hashlib")
    found = kernel_room.kernel()
    assert found.verdict == "note"
    assert "no C kernel" in found.said
    assert found.advice is not None
    assert "compiler" in found.advice


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port where somebody answers who is no Workmill."""
    with listen("127.0.0.1", 0) as listener:

        def answer() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(4096)
                    caller.sendall(
                        b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    )

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_stranger_on_the_port_must_be_mended(stranger: int) -> None:
    """A port that something else holds is not taken for a service."""
    found = service.service("127.0.0.1", stranger)
    assert found.verdict == "mend"
    assert "not as Workmill does" in found.said
