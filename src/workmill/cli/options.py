"""The options that several commands share, worded once."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from workmill.domain import limits
from workmill.runtime import config

T = TypeVar("T")


def number(value: float | None) -> float | None:
    """The value itself; `nan` passes every bound, and is no number. Raises BadParameter."""
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is not a number")
    return value


def count(value: int) -> int:
    """The value itself. Raises BadParameter for one that no message can hold."""
    if value > limits.MAX_COUNT:
        raise typer.BadParameter(f"it is larger than {limits.MAX_COUNT}")
    return value


def path(given: str | Path) -> Path:
    """A file or folder by its name; an empty one (a variable that is not set) would be the current
    folder. Raises BadParameter."""
    if not str(given):
        raise typer.BadParameter("the name is empty")
    return Path(given)


def said(value: T) -> T:
    """The text, or the list of texts, itself. Raises BadParameter for an empty one, which is that
    of a variable that is not set."""
    if value == "" or (isinstance(value, list) and "" in value):
        raise typer.BadParameter("it is empty")
    return value


Url = Annotated[
    list[str],
    typer.Option(
        "--url",
        envvar="WORKMILL_URL",
        callback=said,
        metavar="URL",
        help="An endpoint to talk to; give several, and the next is asked when one is away.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        envvar="WORKMILL_KEY_FILE",
        parser=path,
        metavar="FILE",
        help="The file that holds the shared key; no other user may be able to read it.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, a UUID.")]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        callback=said,
        help="Address to listen on; beyond loopback a key is needed.",
    ),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")]
Data = Annotated[
    Path,
    typer.Option(
        "--data", parser=path, metavar="DIR", help="Where the jobs are kept; made if missing."
    ),
]
Store = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        envvar="WORKMILL_STORE",
        callback=said,
        metavar="URL",
        help="A Redis store: redis://, rediss:// or redis+sentinel://h1,h2,h3/name; "
        "give several for partitions.",
    ),
]
Durability = Annotated[
    config.Durability | None,
    typer.Option(
        "--durability",
        help="What a change on Redis has gone through when it is acknowledged: memory, disk (the "
        "default for one server) or replicated (the default under Sentinels).",
    ),
]
OpenWithoutKey = Annotated[
    bool,
    typer.Option("--open-without-key", help="Let anyone who can reach the port use the service."),
]
MaxBodyBytes = Annotated[
    int,
    typer.Option(
        "--max-body-bytes", min=1, callback=count, help="The largest data of one job, in bytes."
    ),
]
MaxIterations = Annotated[
    int,
    typer.Option(
        "--max-iterations",
        min=1,
        callback=count,
        help="The most iterations that a job may ask for.",
    ),
]
NoticeSeconds = Annotated[
    float,
    typer.Option(
        "--notice-seconds",
        callback=number,
        min=0,
        max=120,
        help="How long /readyz says no before a drain begins; 3 behind the shipped balancer.",
    ),
]

DEFAULT_URLS = [f"http://{config.DEFAULT_HOST}:{limits.PORT}"]
DEFAULT_DATA = Path(config.DEFAULT_DATA)
DEFAULT_CLUSTER_DATA = Path(config.DEFAULT_CLUSTER_DATA)


def text_of(file: Path | None) -> str | None:
    """A path as the settings hold it."""
    return None if file is None else str(file)
