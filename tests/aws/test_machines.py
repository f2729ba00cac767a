"""Machines on EC2, against moto's server over HTTP: launched, spread, listed, ended, and found
again; with throttling, full zones and lost answers between."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.aws.clouds import REGION, USER_DATA, Fault, Way

from workmill.controller.fleets.ec2_machines import ATTEMPTS, EC2Settings, Machine, Machines
from workmill.domain.errors import Unavailable


def start(machines: Machines, count: int) -> list[Machine]:
    return list(machines.start("worker", count))


def listed(machines: Machines) -> list[Machine]:
    return list(machines.list())


def test_machines_are_as_the_template_says_and_bear_our_tags(machines: Machines, ec2: Any) -> None:
    """Type and user data from the template; tags on machine and disk; shutting down ends it."""
    (machine,) = start(machines, 1)
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


def test_zones_are_filled_evenly(machines: Machines) -> None:
    """Also over several calls, and after some have ended."""
    first = start(machines, 4)
    assert sorted(Counter(machine.zone for machine in first).values()) == [1, 1, 2]
    gone = {machine.id for machine in first if machine.zone == first[0].zone}
    machines.stop(gone)
    start(machines, len(gone) + 2)
    assert sorted(Counter(machine.zone for machine in listed(machines)).values()) == [2, 2, 2]


def test_what_another_controller_started_is_listed(machines: Machines, way: Way, ec2: Any) -> None:
    """The tags are the truth: a new leader sees all of the cluster's machines and no other's."""
    started = start(machines, 2)
    ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")
    settings = EC2Settings(cluster="mill", region=REGION, subnets=(), endpoint_url=way.url)
    assert {m.id for m in listed(Machines(settings))} == {m.id for m in started}


def test_only_our_own_machines_are_ended(machines: Machines, ec2: Any) -> None:
    """An id that is not this cluster's, or gone already, is left in peace."""
    (mine,) = start(machines, 1)
    other = ec2.run_instances(MinCount=1, MaxCount=1, ImageId="ami-12345678")["Instances"][0]
    for _ in range(2):
        machines.stop({mine.id, other["InstanceId"], "i-0123456789abcdef0"})
    assert [m.id for m in listed(machines) if not m.stopping] == []
    (reservation,) = ec2.describe_instances(InstanceIds=[other["InstanceId"]])["Reservations"]
    assert reservation["Instances"][0]["State"]["Name"] == "running"


def test_throttling_is_waited_out(machines: Machines, way: Way) -> None:
    """Two refusals, then it goes through; nothing is launched twice."""
    way.faults += [Fault("RunInstances", 503, "RequestLimitExceeded")] * 2
    assert len(start(machines, 1)) == 1
    asked = way.actions("RunInstances")
    assert len(asked) == 3
    assert len({words["ClientToken"] for words in asked}) == 1
    assert len(listed(machines)) == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_token(
    machines: Machines, way: Way
) -> None:
    """EC2 launched and the connection broke: the repeated request bears the same client token,
    by which EC2 knows it (moto does not)."""
    way.faults.append(Fault("RunInstances", after=True))
    start(machines, 1)
    assert len({words["ClientToken"] for words in way.actions("RunInstances")}) == 1


def test_patience_has_a_bound(
    machines: Machines, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last try the caller hears what EC2 said, and nothing is running."""
    pause = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(pause, lambda *_: 0.0)
    way.faults += [Fault("RunInstances", 503, "RequestLimitExceeded")] * ATTEMPTS
    with pytest.raises(Unavailable, match="RequestLimitExceeded"):
        start(machines, 1)
    assert len(way.actions("RunInstances")) == ATTEMPTS
    assert listed(machines) == []


def test_a_full_zone_passes_its_share_on(machines: Machines, way: Way) -> None:
    """The others take it; when all are full, what could be started was."""
    way.faults.append(Fault("RunInstances", 400, "InsufficientInstanceCapacity"))
    assert sorted(Counter(m.zone for m in start(machines, 4)).values()) == [2, 2]
    way.faults += [Fault("RunInstances", 400, "InsufficientInstanceCapacity")] * 3
    assert start(machines, 1) == []


def test_a_refusal_is_told_in_words(machines: Machines, way: Way) -> None:
    """A missing right is no reason to stop what runs."""
    way.faults.append(Fault("DescribeInstances", 403, "UnauthorizedOperation"))
    with pytest.raises(Unavailable, match="refused to list machines: UnauthorizedOperation"):
        listed(machines)
