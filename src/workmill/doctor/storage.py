"""The store's SQLite, and the disk under its directory."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from workmill.doctor.finding import Finding

MIN_FREE_BYTES: Final = 2**30
SYNCS: Final = 25
SLOW_SYNC_SECONDS: Final = 0.020
NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs"}
)
"""SQLite's write-ahead log needs shared memory, which these do not have between machines."""
VOLATILE: Final = frozenset({"tmpfs", "ramfs"})


def sqlite() -> Finding:
    """The version of the SQLite that the store uses against the one that it needs."""
    import apsw

    from workmill.store.sqlite.database_file import OLDEST_SQLITE

    text = apsw.sqlite_lib_version()
    wanted = ".".join(map(str, OLDEST_SQLITE))
    figures = {"version": text, "required": wanted}
    if tuple(map(int, text.split("."))) >= OLDEST_SQLITE:
        said = f"{text}; {wanted} or newer is needed."
        return Finding(name="sqlite", verdict="good", said=said, figures=figures)
    return Finding(
        name="sqlite",
        verdict="mend",
        said=f"{text} can corrupt a database under load; {wanted} or newer is needed.",
        advice="pip install --upgrade apsw",
        figures=figures,
    )


def filesystem(data: Path) -> Finding:
    """What kind of file system keeps the jobs."""
    place = nearest(data)
    kind = _kind_of(place)
    figures = {"kind": kind, "directory": str(data)}
    whole = data.absolute()
    for taken in (one for one in (whole, *whole.parents) if os.path.lexists(one)):
        if taken.is_dir():
            break
        said, advice = f"{taken} is not a directory.", "Choose another directory with --data."
        return Finding(name="data", verdict="mend", said=said, advice=advice, figures=figures)
    said = f"{data} is on {kind}."
    if kind in NETWORK:
        advice = "Choose a directory on a disk of this machine with --data."
        return Finding(name="data", verdict="mend", said=said, advice=advice, figures=figures)
    if kind in VOLATILE:
        advice = "It is empty after a restart of the machine. Choose a disk with --data."
        return Finding(name="data", verdict="note", said=said, advice=advice, figures=figures)
    return Finding(name="data", verdict="good", said=said, figures=figures)


def free_space(data: Path) -> Finding:
    """Whether there is room for the jobs."""
    free = shutil.disk_usage(nearest(data)).free
    said = f"{free / 2**30:,.1f} GiB free."
    figures = {"free_bytes": free}
    if free >= MIN_FREE_BYTES:
        return Finding(name="space", verdict="good", said=said, figures=figures)
    advice = "Free at least 1 GiB, or choose another disk with --data."
    return Finding(name="space", verdict="mend", said=said, advice=advice, figures=figures)


def sync(data: Path) -> Finding:
    """How long the disk takes to promise that something is stored."""
    try:
        times = _sync_seconds(nearest(data))
    except OSError as error:
        return Finding(
            name="sync",
            verdict="mend",
            said=f"{nearest(data)} cannot be written to: {error.strerror}.",
            advice="Choose a directory that this user may write to with --data.",
        )
    median = statistics.median(times)
    figures = {"median_seconds": median, "longest_seconds": max(times)}
    said = (
        f"{median * 1000:.2f} ms to have a write on stable storage "
        f"({max(times) * 1000:.2f} at most)."
    )
    if median <= SLOW_SYNC_SECONDS:
        return Finding(name="sync", verdict="good", said=said, figures=figures)
    advice = "Each reply to a submit waits for this. An SSD answers in well under 5 ms."
    return Finding(name="sync", verdict="note", said=said, advice=advice, figures=figures)


def nearest(directory: Path) -> Path:
    """The directory itself, or the nearest one above it that exists already."""
    place = directory.absolute()
    while not place.is_dir():
        place = place.parent
    return place


def _kind_of(place: Path) -> str:
    """The file system's type, from the mount that is nearest above (proc_pid_mountinfo(5))."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4]
        if len(mount) >= len(best) and place.resolve().is_relative_to(mount):
            best, kind = mount, after.split()[0]
    return kind


def _sync_seconds(place: Path) -> list[float]:
    times = []
    with tempfile.NamedTemporaryFile(dir=place, prefix=".workmill-doctor-") as file:
        for _ in range(SYNCS):
            file.write(os.urandom(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return times
