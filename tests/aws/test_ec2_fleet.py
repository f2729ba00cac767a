"""Machines on EC2, against moto's server over HTTP: launched, spread, listed, ended, and found
again; with throttling, full zones and lost answers between."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest
from tests.aws.clouds import REGION, Fault, Way

from workmill.controller.fleet import Machine
from workmill.controller.fleets.ec2 import ATTEMPTS, EC2Fleet, EC2Settings
from workmill.domain.errors import Unavailable

USER_DATA = base64.b64encode(b"#!/bin/sh\nexec workmill worker\n").decode()


@pytest.fixture
def fleet(way: Way, ec2: Any) -> EC2Fleet:
    """A fleet with a template for workers and the region's own subnets."""
    ec2.create_launch_template(
        LaunchTemplateName="mill-worker",
        LaunchTemplateData={"InstanceType": "c7g.large", "UserData": USER_DATA},
    )
    subnets = sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    return EC2Fleet(
        EC2Settings(cluster="mill", region=REGION, subnets=tuple(subnets), endpoint_url=way.url)
    )


def start(fleet: EC2Fleet, count: int) -> list[Machine]:
    return list(asyncio.run(fleet.start("worker", count)))


def listed(fleet: EC2Fleet) -> list[Machine]:
    return list(asyncio.run(fleet.list()))


def test_machines_are_as_the_template_says_and_bear_our_tags(fleet: EC2Fleet, ec2: Any) -> None:
    """Type and user data from the template; tags on machine and disk; shutting down ends it."""
    (machine,) = start(fleet, 1)
    (reservation,) = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"]
    (instance,) = reservation["Instances"]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert instance["InstanceType"] == "c7g.large"
    assert tags["workmill:cluster"] == "mill"
    assert tags["workmill:role"] == "worker"
    asked = {"InstanceId": machine.id}
    shutdown = ec2.describe_instance_attribute(
        **asked, Attribute="instanceInitiatedShutdownBehavior"
    )
    assert shutdown["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
    user_data = ec2.describe_instance_attribute(**asked, Attribute="userData")["UserData"]
    assert user_data == {"Value": USER_DATA}
    volumes = ec2.describe_volumes(Filters=[{"Name": "tag:workmill:cluster", "Values": ["mill"]}])
    assert len(volumes["Volumes"]) == 1


def test_zones_are_filled_evenly(fleet: EC2Fleet) -> None:
    """Also over several calls, and after some have ended."""
    first = start(fleet, 4)
    assert sorted(Counter(machine.zone for machine in first).values()) == [1, 1, 2]
    gone = [machine.id for machine in first if machine.zone == first[0].zone]
    asyncio.run(fleet.stop(gone))
    start(fleet, len(gone) + 2)
    assert sorted(Counter(machine.zone for machine in listed(fleet)).values()) == [2, 2, 2]


def test_what_another_controller_started_is_listed(fleet: EC2Fleet, way: Way, ec2: Any) -> None:
    """The tags are the truth: a new leader sees all of the cluster's machines and no other's."""
    started = start(fleet, 2)
    ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")
    settings = EC2Settings(cluster="mill", region=REGION, subnets=(), endpoint_url=way.url)
    assert {m.id for m in listed(EC2Fleet(settings))} == {m.id for m in started}


def test_only_our_own_machines_are_ended(fleet: EC2Fleet, ec2: Any) -> None:
    """An id that is not this cluster's, or gone already, is left in peace."""
    (mine,) = start(fleet, 1)
    other = ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")["Instances"][0]
    for _ in range(2):
        asyncio.run(fleet.stop([mine.id, other["InstanceId"], "i-0123456789abcdef0"]))
    assert [m.id for m in listed(fleet) if not m.stopping] == []
    (reservation,) = ec2.describe_instances(InstanceIds=[other["InstanceId"]])["Reservations"]
    assert reservation["Instances"][0]["State"]["Name"] == "running"


def test_throttling_is_waited_out(fleet: EC2Fleet, way: Way) -> None:
    """Two refusals, then it goes through; nothing is launched twice."""
    way.faults += [Fault("RunInstances", 503, "RequestLimitExceeded")] * 2
    assert len(start(fleet, 1)) == 1
    asked = way.actions("RunInstances")
    assert len(asked) == 3
    assert len({words["ClientToken"] for words in asked}) == 1
    assert len(listed(fleet)) == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_token(fleet: EC2Fleet, way: Way) -> None:
    """EC2 launched and the connection broke: the repeated request bears the same client token,
    by which EC2 knows it (moto does not)."""
    way.faults.append(Fault("RunInstances", after=True))
    start(fleet, 1)
    assert len({words["ClientToken"] for words in way.actions("RunInstances")}) == 1


def test_patience_has_a_bound(fleet: EC2Fleet, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last try the caller hears what EC2 said, and nothing is running."""
    pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(pause, lambda *_: 0.0)
    way.faults += [Fault("RunInstances", 503, "RequestLimitExceeded")] * ATTEMPTS
    with pytest.raises(Unavailable, match="RequestLimitExceeded"):
        start(fleet, 1)
    assert len(way.actions("RunInstances")) == ATTEMPTS
    assert listed(fleet) == []


def test_a_full_zone_passes_its_share_on(fleet: EC2Fleet, way: Way) -> None:
    """The others take it; when all are full, what could be started was."""
    way.faults.append(Fault("RunInstances", 400, "InsufficientInstanceCapacity"))
    assert sorted(Counter(m.zone for m in start(fleet, 4)).values()) == [2, 2]
    way.faults += [Fault("RunInstances", 400, "InsufficientInstanceCapacity")] * 3
    assert start(fleet, 1) == []


def test_a_refusal_is_told_in_words(fleet: EC2Fleet, way: Way) -> None:
    """A missing right is no reason to stop what runs."""
    way.faults.append(Fault("DescribeInstances", 403, "UnauthorizedOperation"))
    with pytest.raises(Unavailable, match="refused to list machines: UnauthorizedOperation"):
        listed(fleet)
