"""The directory that `--data` names: whose it is, and whether it can be used at all.

`up` and `endpoint` keep one database in it, `cluster` a whole tree of a store, sockets and logs.
Neither would see the jobs of the other. So each refuses what is the other's, and nobody works
anywhere inside the tree of a cluster. Links and relative paths are followed first.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.telemetry.error_text import error_text
from workmill.telemetry.outage_log import Incident

CLUSTER_MARK: Final = Path("store", "redis-1")
"""In the tree of a cluster from its first start on."""
LOOK_SECONDS: Final = 0.5


def directory_of_up(data: str) -> Path:
    """The directory for one database, made if it is not there. Raises InvalidInput when it is the
    tree of a cluster or inside of one, or cannot be used."""
    folder = _resolved(data)
    _check_no_cluster_around(folder, [folder, *folder.parents])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise unusable(folder, "it is not a directory") from None
    except OSError as error:
        raise unusable(folder, error) from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise unusable(folder, _why_closed(folder))
    return folder


def check_kept(data: str) -> None:
    """Raise StoreUnavailable when the database that was served from here is gone. Whoever replaces
    an endpoint must not begin an empty store in its place: to its callers every job would be one
    that never was. Nor may it make the directory: one that is moved back would land inside."""
    from workmill.store.sqlite.ownership import FILE_NAME

    folder = _resolved(data)
    if not (folder / FILE_NAME).exists():
        raise StoreUnavailable(
            f"The store that was served from {folder} is not there any more. Nothing was begun in "
            "its place. Put it back, and it is served again; or stop this service and start it "
            "anew, with a backup or an empty store."
        )


def directory_of_cluster(data: str) -> Path:
    """The directory for the tree of a cluster, which is not made yet. Raises InvalidInput when it
    has the database of `workmill up`, or is inside of the tree of another cluster."""
    from workmill.store.sqlite.ownership import FILE_NAME

    folder = _resolved(data)
    if (folder / FILE_NAME).exists():
        raise InvalidInput(
            f"{folder} has the jobs of `workmill up`, which a cluster would not see. Nothing was "
            "started, and they are kept. Choose another directory with --data."
        )
    _check_no_cluster_around(folder, list(folder.parents))
    return folder


async def tend_directory(folder: Path, descriptor: int) -> None:
    """Say when the directory that is open here is not the one of that name any more, and when it
    is there again; until cancelled. What its processes say may go into files that are lost with
    it, and only our log is elsewhere."""
    told = Incident("cluster.directory_lost", "cluster.directory_found", level="error")
    while True:
        if is_same_directory(folder, descriptor):
            told.succeeded()
        else:
            told.failed(
                detail=f"{folder} was removed, moved or replaced. Its data servers are ended, and "
                "nothing is acknowledged. Put it back, and it is served again."
            )
        await asyncio.sleep(LOOK_SECONDS)


def is_same_directory(folder: Path, descriptor: int) -> bool:
    """Whether this name leads to what is open as `descriptor`; also where that cannot be told."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def unusable(folder: Path, why: str | Exception) -> InvalidInput:
    """It cannot be made, read or written, for this reason."""
    why = error_text(why) if isinstance(why, OSError) else why
    return InvalidInput(
        f"{folder} cannot be used: {why}. Nothing was started, and what is kept there stays. See "
        "that there is room on the disk and that you may write there, or choose another directory "
        "with --data."
    )


def _resolved(data: str) -> Path:
    try:
        data.encode()
        return Path(data).resolve()
    except UnicodeEncodeError:
        raise unusable(Path(data), "its name is not UTF-8, or this locale is not") from None
    except (OSError, RuntimeError) as error:  # the current directory is gone; links in a circle
        raise unusable(Path(data), error) from None


def _check_no_cluster_around(folder: Path, places: list[Path]) -> None:
    for place in places:
        if _is_cluster(place):
            where = "is" if place == folder else f"is inside of {place},"
            raise InvalidInput(
                f"{folder} {where} the directory of a cluster, whose jobs would not be "
                "seen. Nothing was started, and they are kept. Run `workmill cluster`, or choose "
                "another directory with --data."
            )


def _is_cluster(place: Path) -> bool:
    try:
        return (place / CLUSTER_MARK).exists()
    except OSError:  # not for us to look at, so not ours
        return False


def _why_closed(folder: Path) -> str:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    return "its permissions do not let this user read and write"
