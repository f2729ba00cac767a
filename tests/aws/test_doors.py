"""Who may speak to whom in the network of deploy/aws/, and who may ask AWS for what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cfnlint.decode
import pytest

TEMPLATE = Path(__file__).parents[2] / "deploy" / "aws" / "workmill.yaml"
ROLES = ("Store", "Endpoint", "Worker", "Controller")
REPLACED = ("Endpoint", "Controller")
"""By a new release, host by host: they say when they serve."""
AWAY = {("tcp", 443, 443), ("tcp", 80, 80)}
"""Where any host may go: AWS itself, and packages."""

WAY_OUT = (("PrivateRoute", ""), ("PrivateSubnet", "Routes"))


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    decoded, problems = cfnlint.decode.decode(str(TEMPLATE))
    assert not problems
    found: dict[str, Any] = json.loads(json.dumps(decoded))["Resources"]
    return found


def of_kind(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: one["Properties"] for name, one in resources.items() if one["Type"] == f"AWS::{kind}"
    }


def ports(rule: dict[str, Any]) -> tuple[str, int, int]:
    """Protocol, first and last port."""
    return rule["IpProtocol"], rule["FromPort"], rule["ToPort"]


def test_the_store_is_reached_by_endpoints_only(resources: dict[str, Any]) -> None:
    """And its hosts by each other; the balancers alone reach endpoints; nobody reaches workers
    or controllers."""
    incoming = of_kind(resources, "EC2::SecurityGroupIngress").values()
    opened = {
        (one["SourceSecurityGroupId"]["Ref"], one["GroupId"]["Ref"], *ports(one))
        for one in incoming
    }
    assert opened == {
        ("EndpointGroup", "StoreGroup", "tcp", 6379, 6379),
        ("EndpointGroup", "StoreGroup", "tcp", 26379, 26379),
        ("StoreGroup", "StoreGroup", "tcp", 6379, 6379),
        ("StoreGroup", "StoreGroup", "tcp", 26379, 26379),
        ("PublicDoorGroup", "EndpointGroup", "tcp", 5000, 5000),
        ("InnerDoorGroup", "EndpointGroup", "tcp", 5000, 5000),
        ("WorkerGroup", "InnerDoorGroup", "tcp", 5000, 5000),
        ("ControllerGroup", "InnerDoorGroup", "tcp", 5000, 5000),
    }
    going_out = {
        (one["GroupId"]["Ref"], one["DestinationSecurityGroupId"]["Ref"], *ports(one))
        for one in of_kind(resources, "EC2::SecurityGroupEgress").values()
    }
    assert going_out == opened


def test_groups_say_no_unless_told_otherwise(resources: dict[str, Any]) -> None:
    """One door to the outside, for the callers that were named and over TLS; a group without
    rules of its own for what goes out would let everything out."""
    groups = of_kind(resources, "EC2::SecurityGroup")
    inward = {name: group.get("SecurityGroupIngress", []) for name, group in groups.items()}
    (door,) = inward.pop("PublicDoorGroup")
    assert (door["CidrIp"], door["FromPort"], door["ToPort"]) == ({"Ref": "ClientCidr"}, 443, 443)
    assert set(map(len, inward.values())) == {0}
    for group in groups.values():
        rules = group["SecurityGroupEgress"]
        nowhere = all(rule["CidrIp"] == "127.0.0.1/32" for rule in rules)
        assert nowhere or {ports(rule) for rule in rules} == AWAY


def test_disks_are_encrypted_and_metadata_need_a_token(resources: dict[str, Any]) -> None:
    """On every kind of host."""
    templates = of_kind(resources, "EC2::LaunchTemplate")
    assert sorted(templates) == sorted(f"{role}Template" for role in ROLES)
    for template in templates.values():
        data = template["LaunchTemplateData"]
        assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert [disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"]] == [True]


def test_roles_have_no_more_rights_than_they_need(resources: dict[str, Any]) -> None:
    """Everybody fetches its own secrets; only controllers start machines, and end those of their
    own cluster; nothing is allowed on everything but to look, and to publish our own figures."""
    publishing = resources["Publishing"]["Properties"]["PolicyDocument"]["Statement"]
    assert [(one["Action"], one["Condition"]) for one in publishing] == [
        ("cloudwatch:PutMetricData", {"StringEquals": {"cloudwatch:namespace": "Workmill"}})
    ]
    for role in ROLES:
        policies = resources[f"{role}Role"]["Properties"]["Policies"]
        statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
        actions = {action for one in statements for action in listed(one["Action"])}
        speaks = {"cloudformation:SignalResource"} if role in REPLACED else set()
        if role != "Controller":
            assert actions == {"s3:GetObject"} | speaks
        assert not [action for action in actions if "*" in action]
        anywhere = {
            a for one in statements if one["Resource"] == "*" for a in listed(one["Action"])
        }
        assert all(action.startswith("ec2:Describe") for action in anywhere)
    fleet = resources["ControllerRole"]["Properties"]["Policies"][1]["PolicyDocument"]["Statement"]
    (ending,) = [one for one in fleet if one["Action"] == "ec2:TerminateInstances"]
    assert ending["Condition"]["StringEquals"]["aws:ResourceTag/workmill:role"] == "worker"
    starting = [one for one in fleet if one["Action"] == "ec2:RunInstances" and "Condition" in one]
    for one in starting:
        tags = one["Condition"]["StringEquals"]
        assert tags["aws:RequestTag/workmill:cluster"] == {"Ref": "ClusterName"}
        assert tags["aws:RequestTag/workmill:role"] == "worker"
    assert len(starting) == 1


def test_no_host_begins_before_it_can_fetch_anything(resources: dict[str, Any]) -> None:
    """User data runs once: a host whose zone has no way out yet would stay empty for ever."""
    ways = {f"{kind}{zone}{rest}" for zone in (1, 2, 3) for kind, rest in WAY_OUT}
    for name in ("Endpoints", "Controllers"):
        assert set(resources[name]["DependsOn"]) == ways
    for zone in (1, 2, 3):
        assert set(resources[f"Store{zone}"]["DependsOn"]) == {
            f"{kind}{zone}{rest}" for kind, rest in WAY_OUT
        }


def test_a_new_release_must_serve_before_the_next_host_gets_it(resources: dict[str, Any]) -> None:
    """Else a broken one would replace every host. And there must be room for one more meanwhile."""
    for name, least in (("Endpoints", 2), ("Controllers", 1)):
        rolling = resources[name]["UpdatePolicy"]["AutoScalingRollingUpdate"]
        assert rolling["WaitOnResourceSignals"] is True
        assert (rolling["MinInstancesInService"], rolling["MaxBatchSize"]) == (least, 1)


def test_an_outage_of_the_store_ends_no_endpoint(resources: dict[str, Any]) -> None:
    """None is ready then. A group that went by the door's checks would replace them all."""
    assert resources["Endpoints"]["Properties"]["HealthCheckType"] == "EC2"


def listed(word: str | list[str]) -> list[str]:
    return [word] if isinstance(word, str) else word
