"""The whole deployment, rehearsed against moto's server: once dry, once new, once again.

moto makes most of the stack and leaves out what it does not know (rules of what goes out, flow
logs); nothing boots there. cfn-lint checks the whole of it against AWS's own schemas.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.aws.clouds import REGION
from tests.aws.deployed import ROOT, Cloud, commit

TEMPLATES = [ROOT / "deploy" / "aws" / name for name in ("workmill.yaml", "alarms.yaml")]
MAX_TEMPLATE_BYTES = 51_200
"""What CloudFormation takes in a request (AWS's quotas)."""


def test_a_dry_run_changes_nothing(cloud: Cloud) -> None:
    """It says what would be made; neither here nor there is anything made."""
    said = cloud.deploy("--dry-run")
    assert "Nothing was changed." in said
    assert not cloud.secrets.exists()
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_cluster_is_made_and_brought_up_to_date(cloud: Cloud, checkout: Path) -> None:
    """Hosts, doors, templates and secrets are there, each host's own only; a new release goes to
    endpoints and controllers, while the store's hosts and secrets stay as they are: CloudFormation,
    which would restart all three at once, may not touch them. What was said once holds."""
    said = cloud.deploy()
    assert "Founding the store" in said
    stores = cloud.machines("store")
    assert len({store["Placement"]["AvailabilityZone"] for store in stores}) == 3
    assert sorted(store["PrivateIpAddress"] for store in stores) == [
        "10.42.16.10",
        "10.42.32.10",
        "10.42.48.10",
    ]
    doors = cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert sorted(door["Scheme"] for door in doors) == ["internal", "internet-facing"]
    names = cloud.client("ec2").describe_launch_templates()["LaunchTemplates"]
    assert {"mill-worker", "mill-endpoint", "mill-controller"} <= {
        one["LaunchTemplateName"] for one in names
    }
    policy = cloud.client("cloudformation").get_stack_policy(StackName="mill")["StackPolicyBody"]
    (denied,) = [one for one in json.loads(policy)["Statement"] if one["Effect"] == "Deny"]
    assert denied["Action"] == "Update:*"
    assert denied["Resource"] == [f"LogicalResourceId/Store{number}" for number in (1, 2, 3)]
    closed = cloud.client("s3").get_public_access_block(Bucket=cloud.bucket)
    assert set(closed["PublicAccessBlockConfiguration"].values()) == {True}
    assert cloud.packed("hosts/worker.tar.gz") == {"workmill.key"}
    assert {"address", "password", "workmill.key"} <= cloud.packed("hosts/endpoint.tar.gz")
    assert "workmill.key" not in cloud.packed("hosts/store-1.tar.gz")

    worker = cloud.user_data("worker")
    assert '/opt/workmill/deploy/aws/host "eu-central-1"' in worker
    assert ' worker "http://' in worker

    key, before = (cloud.secrets / "workmill.key").read_text(), cloud.parameters()
    commit(checkout)
    said = cloud.again()
    assert "Founding" not in said
    after = cloud.parameters()
    assert after.pop("Release") != before.pop("Release")
    assert after["ClientCidr"] == "203.0.113.0/24"
    assert after == before
    assert {store["InstanceId"] for store in cloud.machines("store")} == {
        store["InstanceId"] for store in stores
    }
    assert (cloud.secrets / "workmill.key").read_text() == key


def test_changes_that_no_commit_has_are_not_deployed(cloud: Cloud, checkout: Path) -> None:
    """What runs can always be named."""
    with (checkout / "README.md").open("a") as readme:
        readme.write("changed\n")
    with pytest.raises(AssertionError, match="Commit first"):
        cloud.deploy()


def test_a_founded_store_is_not_locked_out(cloud: Cloud, tmp_path: Path) -> None:
    """From another folder there would be new passwords, which only new endpoints knew: nothing is
    done. The same folder goes on, also when the last deployment ended before the store was noted
    as founded."""
    cloud.deploy()
    here, cloud.secrets = cloud.secrets, tmp_path / "elsewhere"
    before = cloud.packed("hosts/endpoint.tar.gz")
    with pytest.raises(AssertionError, match="made with other secrets"):
        cloud.again()
    assert not cloud.secrets.exists()
    assert cloud.packed("hosts/endpoint.tar.gz") == before
    cloud.secrets = here
    cloud.client("s3").delete_object(Bucket=cloud.bucket, Key="hosts/founded")
    assert "Founding the store" in cloud.again()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.stem)
def test_the_templates_are_valid(template: Path) -> None:
    """cfn-lint knows every resource, property and reference, for the regions we name; and they fit
    into a request."""
    assert template.stat().st_size <= MAX_TEMPLATE_BYTES
    lint = Path(sys.executable).with_name("cfn-lint")
    run = subprocess.run(
        [str(lint), "--regions", REGION, "us-east-1", "--", str(template)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (run.returncode, run.stdout) == (0, "")
