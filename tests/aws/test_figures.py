"""What hosts publish, and the alarms that watch it: deploy/aws/figures.py against moto, with a real
service and real Redis hosts' words in their places."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import boto3
import cfnlint.decode
import pytest
from botocore.config import Config
from tests.aws.clouds import REGION
from tests.system.processes import Up

import figures
from workmill import Client
from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.redis_hosts.rules import Replication

ROOT = Path(__file__).parents[2]
CLUSTER = {"Cluster": "mill"}
HOSTS = ("store-1", "store-2", "store-3", "endpoint", "worker", "controller")
NOBODY = "http://127.0.0.1:9"
"""Where no service is (the discard port)."""
FROM_AWS = {
    ("AWS/EC2", "StatusCheckFailed_System", ("InstanceId",)),
    ("AWS/EC2", "StatusCheckFailed_Instance", ("InstanceId",)),
    ("AWS/ApplicationELB", "HealthyHostCount", ("LoadBalancer", "TargetGroup")),
    ("AWS/ApplicationELB", "UnHealthyHostCount", ("LoadBalancer", "TargetGroup")),
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", ("LoadBalancer",)),
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", ("LoadBalancer",)),
}
"""What AWS itself publishes, looked up in the manuals of EC2 and of Application Load Balancers."""


class Said:
    """A store host's answers, in the place of `Asking`."""

    def __init__(self, replication: Replication | None, primary: str | None) -> None:
        self._replication, self._primary = replication, primary

    def replication(self) -> Replication | None:
        return self._replication

    def agreed_primary(self) -> str | None:
        return self._primary


def replica(*, link_up: bool) -> Replication:
    return Replication(
        is_primary=False,
        link_up=link_up,
        copying=False,
        priority=100,
        follows="10.0.0.1",
        history="0" * 40,
        offset=1,
        promoted=False,
        process=1,
    )


def by_name(made: Any) -> dict[str, float]:
    return {one.name: one.value for one in made}


@pytest.fixture(scope="module")
def alarms() -> dict[str, Any]:
    """Each alarm's properties, by its name."""
    decoded, problems = cfnlint.decode.decode(str(ROOT / "deploy" / "aws" / "alarms.yaml"))
    assert not problems
    resources = json.loads(json.dumps(decoded))["Resources"]
    return {
        name: one["Properties"]
        for name, one in resources.items()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }


def dimensions(alarm: dict[str, Any]) -> dict[str, str]:
    """As the test's cluster would have them."""
    written = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
    return {name: "mill" if name == "Cluster" else value for name, value in written.items()}


def test_every_alarm_watches_what_somebody_publishes(
    alarms: dict[str, Any], cloud_port: int, tmp_path: Path
) -> None:
    """A misspelt name would never sound. Every figure that hosts publish reaches CloudWatch under
    just the dimensions that its alarm asks for."""
    watch = boto3.client("cloudwatch", REGION, endpoint_url=f"http://127.0.0.1:{cloud_port}")
    with Up(tmp_path, workers=1) as up, Transport([up.url]) as transport:
        made = list(figures.service_figures(ControlClient(transport), 0.0))
    for host in HOSTS:
        words = figures.parsed(["--region", REGION, "--cluster", "mill", "--role", host])
        made += figures.looked(words, figures.machine_of(words))
        if host.startswith("store"):
            made += figures.store_figures(Said(replica(link_up=True), "10.0.0.1"), host)
    figures.publish(watch, "mill", made)
    published = {
        (one["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in one["Dimensions"])))
        for one in watch.list_metrics(Namespace="Workmill")["Metrics"]
    }
    for name, alarm in alarms.items():
        if alarm["Namespace"] == "Workmill":
            watched = (alarm["MetricName"], tuple(sorted(dimensions(alarm).items())))
            assert watched in published, name
        else:
            kinds = tuple(sorted(one["Name"] for one in alarm["Dimensions"]))
            assert (alarm["Namespace"], alarm["MetricName"], kinds) in FROM_AWS, name


def test_every_alarm_says_what_a_person_does(alarms: dict[str, Any]) -> None:
    """In itself, for that is what the mail has; and docs/aws.md lists it."""
    page = (ROOT / "docs" / "aws.md").read_text()
    advice = r"\b(raise|see|look|read|report|replace|end|bring|fetch|enlarge)\b"
    for name, alarm in alarms.items():
        text = alarm["AlarmDescription"]
        assert len(text) <= 1024, name
        assert re.search(advice, text.partition(". ")[2].lower()), name
        assert f"`{re.sub('[123]', 'N', name)}`" in page, name
        assert {"Ref": "Alarms"} in alarm["AlarmActions"], name


def test_silence_is_bad_where_it_must_be(alarms: dict[str, Any]) -> None:
    """When the only host that could tell is gone, the alarm sounds all the same."""
    sounding = {name for name, one in alarms.items() if one["TreatMissingData"] == "breaching"}
    steps = {f"Store{number}OutOfStep" for number in (1, 2, 3)}
    alone = {"NoWorkers", "NoController", "ServiceAway", "NoPrimary", "FewEndpoints"}
    assert sounding == alone | steps


def test_a_service_tells_how_it_stands(tmp_path: Path) -> None:
    """Workers, oldest wait, and the backlog while a rate is known; only that it is away when nobody
    answers."""
    with Up(tmp_path, workers=0) as up, Transport([up.url]) as transport:
        service = ControlClient(transport)
        with Client(up.url) as client:
            client.submit(b"nobody takes it", iterations=1000)
        since_ms = service.stats().stats.oldest_queued_at_ms
        assert since_ms is not None
        told = by_name(figures.service_figures(service, since_ms / 1000 + 7))
    assert (told["ServiceAnswers"], told["Workers"]) == (1, 0)
    assert told["OldestWaitSeconds"] == pytest.approx(7)
    assert "BacklogSeconds" not in told
    with Transport([NOBODY]) as transport:
        assert by_name(figures.service_figures(ControlClient(transport), 0.0)) == {
            "ServiceAnswers": 0
        }


@pytest.mark.parametrize(
    ("said", "in_step", "named"),
    [
        (Said(replica(link_up=True), "10.0.0.1"), 1, 1),
        (Said(replica(link_up=False), "10.0.0.1"), 0, 1),
        (Said(replica(link_up=False)._replace(is_primary=True), None), 1, 0),
        (Said(None, None), 0, 0),
    ],
    ids=["in step", "without a link", "a primary that nobody names", "silent"],
)
def test_a_store_host_tells_whether_it_is_in_step(said: Said, in_step: int, named: int) -> None:
    """A primary is, and a replica while its link is up."""
    told = by_name(figures.store_figures(said, "store-1"))
    assert told == {"InStep": in_step, "PrimaryNamed": named}


def test_a_machine_tells_what_is_in_use(tmp_path: Path) -> None:
    """Processor since the last look, memory that nobody can be given, the disk."""
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n")
    (tmp_path / "stat").write_text("cpu 100 0 0 100 0 0 0 0 0 0\ncpu0 1 1 1 1\n")
    machine = figures.Machine("worker", tmp_path)
    (tmp_path / "stat").write_text("cpu 120 0 10 150 20 0 0 0 0 0\ncpu0 1 1 1 1\n")
    told = by_name(machine.figures())
    assert told["CpuPercent"] == pytest.approx(30)
    assert told["MemoryPercent"] == pytest.approx(75)
    assert 0 < told["DiskPercent"] < 100


def test_what_cannot_be_published_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """CloudWatch is away for a while: an event says so, and the next minute tries again."""
    one = Config(connect_timeout=1, retries={"total_max_attempts": 1})
    away = boto3.client("cloudwatch", REGION, endpoint_url=NOBODY, config=one)
    figures.publish(away, "mill", [figures.Figure("Workers", "Count", 1, {})])
    assert "figures.unpublished" in capfd.readouterr().err
