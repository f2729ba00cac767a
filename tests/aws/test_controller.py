"""`workmill controller` against moto and a real service: it leads, orders machines, and leaves."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.aws.clouds import REGION, Way
from tests.system.processes import PATIENCE_SECONDS, WORKMILL, Up, until

from workmill.controller.fleets.ec2_machines import EC2Settings, Machines


def test_a_controller_keeps_its_minimum_and_leaves_in_peace(
    settings: EC2Settings, machines: Machines, way: Way, tmp_path: Path, ec2: Any
) -> None:
    """Started with nothing, it leads and launches two machines, and orders no third while they
    come; SIGTERM ends it with exit code 0, and its machines stay."""
    with Up(tmp_path, workers=0) as up:
        words = ["--cluster", settings.cluster, "--region", REGION, "--ec2-url", way.url]
        words += ["--subnets", ",".join(settings.subnets), "--workers", "2:5", "--url", up.url]
        log = (tmp_path / "controller.log").open("wb")
        with log:
            controller = subprocess.Popen([*WORKMILL, "controller", *words], stderr=log)
        try:
            until(lambda: len(machines.list()) == 2)
            looks = len(way.actions("DescribeInstances"))
            until(lambda: len(way.actions("DescribeInstances")) >= looks + 2)
        finally:
            os.kill(controller.pid, signal.SIGTERM)
            code = controller.wait(PATIENCE_SECONDS)
        said = (tmp_path / "controller.log").read_text()
        assert code == 0, said
        assert '"event":"controller.leads"' in said
        assert [machine.stopping for machine in machines.list()] == [False, False]
    assert len(ec2.describe_instances()["Reservations"]) == len(way.actions("RunInstances"))
