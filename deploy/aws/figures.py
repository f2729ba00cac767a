"""Publish this host's figures to CloudWatch, once a minute. `alarms.yaml` watches them.

Every host publishes how busy its processor, memory and disk are, under its role: the worst host of
a role counts. A store host (`--redis-hosts`) also says whether its data server is in step and
whether a majority of Sentinels name a primary. A controller's host (`--url`) also says how the
service stands: both controllers' hosts do, whoever leads, so no figure depends on one process.

A figure that cannot be had is left out, and its alarm takes missing for bad. What cannot be
published is an event in the log, and the next minute tries again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Node
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.rules import Replication
from workmill.redis_hosts.start import read_settings
from workmill.runtime.key_file import read_key
from workmill.telemetry import emit
from workmill.telemetry.log import describe
from workmill.wire.messages import StatsView

NAMESPACE: Final = "Workmill"
"""The hosts' roles may publish to this one only (workmill.yaml)."""
EVERY_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
ATTEMPTS: Final = 3
PROC: Final = Path("/proc")


class Figure(NamedTuple):
    """One number of this minute; `of` is which dimensions beside the cluster it stands under."""

    name: str
    unit: str
    value: float
    of: dict[str, str]


class Machine:
    """This machine's processor, memory and disk, in percent; busy since the last look."""

    def __init__(self, role: str, proc: Path = PROC) -> None:
        self._of, self._proc = {"Role": role}, proc
        self._before = self._ticks()

    def figures(self) -> Iterator[Figure]:
        """CPU from all cores together, memory that cannot be given away, the disk under `/`."""
        now = self._ticks()
        busy, total = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        disk = os.statvfs("/")
        shares = {
            "CpuPercent": busy / max(1, total),
            "MemoryPercent": self._memory_share(),
            "DiskPercent": 1 - disk.f_bavail / disk.f_blocks,
        }
        for name, share in shares.items():
            yield Figure(name, "Percent", 100 * share, self._of)

    def _ticks(self) -> tuple[int, int]:
        """Busy and all ticks since the start; idle and waiting for the disk are not busy."""
        line = self._proc.joinpath("stat").read_text().split("\n", 1)[0]
        ticks = [int(word) for word in line.split()[1:9]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    def _memory_share(self) -> float:
        lines = self._proc.joinpath("meminfo").read_text().splitlines()
        parted = (line.partition(":") for line in lines)
        kilobytes = {name: int(rest.split()[0]) for name, _, rest in parted}
        return 1 - kilobytes["MemAvailable"] / kilobytes["MemTotal"]


def service_figures(service: ControlClient, now_seconds: float) -> Iterator[Figure]:
    """How the service stands, as an endpoint tells it; only that it does not, when none answers.
    `now_seconds` is since the epoch: waits are as right as the hosts' clocks (NTP)."""
    try:
        stats, nodes = service.stats(), service.nodes()
    except WorkmillError as error:
        emit("figures.no_answer", level="warning", why=error.detail)
        yield Figure("ServiceAnswers", "Count", 0, {})
        return
    yield Figure("ServiceAnswers", "Count", 1, {})
    yield from _of_load(stats, now_seconds)
    for role in ("worker", "endpoint", "controller"):
        yield Figure(f"{role.capitalize()}s", "Count", _beating(nodes, role), {})


def _of_load(view: StatsView, now_seconds: float) -> Iterator[Figure]:
    seconds = view.backlog_seconds if view.stats.backlog_iterations else 0.0
    if seconds is not None:  # while no worker's rate is known nobody can tell
        yield Figure("BacklogSeconds", "Seconds", seconds, {})
    oldest_ms = view.stats.oldest_queued_at_ms
    waited = 0.0 if oldest_ms is None else max(0.0, now_seconds - oldest_ms / 1000)
    yield Figure("OldestWaitSeconds", "Seconds", waited, {})


def _beating(nodes: Sequence[Node], role: str) -> int:
    return sum(node.role == role for node in nodes)


class Store(Protocol):
    """What a store host's figures are made from (`redis_hosts.asking`)."""

    def replication(self) -> Replication | None: ...
    def agreed_primary(self) -> str | None: ...


def store_figures(asking: Store, host: str) -> Iterator[Figure]:
    """Whether this host's data server is the primary or linked to it, and whether there is one."""
    now = asking.replication()
    in_step = now is not None and (now.is_primary or now.link_up)
    yield Figure("InStep", "Count", int(in_step), {"Host": host})
    yield Figure("PrimaryNamed", "Count", int(asking.agreed_primary() is not None), {})


def publish(cloudwatch: Any, cluster: str, figures: Sequence[Figure]) -> None:
    """Send these. What fails is an event."""
    data = [
        {
            "MetricName": one.name,
            "Unit": one.unit,
            "Value": one.value,
            "Dimensions": [
                {"Name": name, "Value": value}
                for name, value in ({"Cluster": cluster} | one.of).items()
            ],
        }
        for one in figures
    ]
    try:
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
    except (ClientError, BotoCoreError) as error:
        emit("figures.unpublished", level="warning", figures=len(data), why=str(error)[:500])


def machine_of(words: argparse.Namespace) -> Machine:
    """This one, under its role: the three hosts of a store are one."""
    return Machine(words.role.partition("-")[0])


def looked(words: argparse.Namespace, machine: Machine) -> Iterator[Figure]:
    """All figures of this minute."""
    yield from machine.figures()
    if words.redis_hosts:
        with closing(Asking(read_settings(words.redis_hosts))) as asking:
            yield from store_figures(asking, words.role)
    if words.url:
        with Transport([words.url], key=read_key(words.key_file)) as transport:
            yield from service_figures(ControlClient(transport), time.time())


def parsed(given: Sequence[str]) -> argparse.Namespace:
    """The words of the command line."""
    parser = argparse.ArgumentParser("figures", description="This host's figures, to CloudWatch.")
    parser.add_argument("--region", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--role", required=True, help="endpoint, worker, controller, store-N")
    parser.add_argument("--url", help="of the service, where this host tells how it stands")
    parser.add_argument("--key-file")
    parser.add_argument("--redis-hosts", type=Path, metavar="DIR", help="of a store host")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    """Publish for ever, beginning a minute from now: what was busy has to be watched first."""
    words = parsed(given)
    describe("figures")
    patience = Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
    )
    cloudwatch = boto3.client("cloudwatch", words.region, config=patience)
    machine = machine_of(words)
    while True:
        time.sleep(EVERY_SECONDS)
        publish(cloudwatch, words.cluster, list(looked(words, machine)))


if __name__ == "__main__":
    main(sys.argv[1:])
