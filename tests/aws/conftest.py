"""One cloud for the whole run; each test has a region's worth of it, emptied before."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.aws import clouds
from tests.aws.clouds import REGION, USER_DATA, Way, way_to
from tests.aws.deployed import ROOT, Cloud, commit, git

from workmill.controller.fleets.ec2_machines import EC2Settings, Machines


@pytest.fixture(scope="session")
def cloud_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """moto's server."""
    with clouds.cloud(tmp_path_factory.mktemp("cloud") / "moto.log") as port:
        yield port


@pytest.fixture(scope="session", autouse=True)
def _stranger() -> Iterator[None]:
    """Credentials that mean nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


def _emptied(cloud_port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cloud_port)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    connection.close()


@pytest.fixture
def way(cloud_port: int) -> Iterator[Way]:
    """The way to an empty cloud."""
    _emptied(cloud_port)
    with way_to(cloud_port) as opened:
        yield opened


@pytest.fixture
def ec2(way: Way, cloud_port: int) -> Any:
    """A look past the fleet, at the cloud itself."""
    del way
    return boto3.client("ec2", REGION, endpoint_url=f"http://127.0.0.1:{cloud_port}")


def checkout_at(place: Path) -> Path:
    """A clean checkout of what is here."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT).decode().split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    git(place, "init", "-q")
    commit(place)
    return place


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return checkout_at(tmp_path / "checkout")


@pytest.fixture
def cloud(cloud_port: int, checkout: Path, tmp_path: Path) -> Cloud:
    _emptied(cloud_port)
    return Cloud(cloud_port, checkout, tmp_path / "secrets")


@pytest.fixture(scope="module")
def deployed(cloud_port: int, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """One cluster without a public door, for the tests of a module, which only look."""
    _emptied(cloud_port)
    place = tmp_path_factory.mktemp("deployed")
    cloud = Cloud(cloud_port, checkout_at(place / "checkout"), place / "secrets")
    cloud.deploy_closed()
    return cloud


@pytest.fixture
def settings(way: Way, ec2: Any) -> EC2Settings:
    """A cluster with a template for workers, and the region's own subnets."""
    ec2.create_launch_template(
        LaunchTemplateName="mill-worker",
        LaunchTemplateData={"InstanceType": "c7g.large", "UserData": USER_DATA},
    )
    subnets = sorted(subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"])
    return EC2Settings(cluster="mill", region=REGION, subnets=tuple(subnets), endpoint_url=way.url)


@pytest.fixture
def machines(settings: EC2Settings) -> Machines:
    """That cluster's machines: none yet."""
    return Machines(settings)
