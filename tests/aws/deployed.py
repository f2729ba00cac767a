"""A deployment into the cloud on loopback, from a checkout of its own, and what came of it."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import boto3
from tests.aws.clouds import REGION

ROOT = Path(__file__).parents[2]


def git(place: Path, *words: str) -> None:
    someone = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    subprocess.run(["git", *someone, *words], cwd=place, check=True, capture_output=True)


def commit(place: Path) -> None:
    git(place, "add", "-A")
    git(place, "commit", "-q", "--no-verify", "-m", "as it is", "--allow-empty")


class Cloud:
    """A look at the cloud, and the deployment into it."""

    def __init__(self, port: int, checkout: Path, secrets: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.checkout = checkout
        self.secrets = secrets
        image = self.client("ec2").describe_images()["Images"][0]["ImageId"]
        self._image = ["--image", image]
        acm = self.client("acm")
        certificate = acm.request_certificate(DomainName="mill.example")["CertificateArn"]
        public = ["--clients", "203.0.113.0/24", "--certificate", certificate]
        self._public = public

    def client(self, service: str) -> Any:
        return boto3.client(service, REGION, endpoint_url=self.url)

    def deploy(self, *more: str) -> str:
        """For the first time, with a public door: what it says; it must succeed."""
        return self.deploy_closed(*self._public, *more)

    def deploy_closed(self, *more: str) -> str:
        """For the first time, without a public door."""
        return self.again(*self._image, *more)

    def again(self, *more: str) -> str:
        """With no more words than the cluster has: what it says; it must succeed."""
        words = ["--cluster", "mill", "--region", REGION, "--secrets", str(self.secrets)]
        words += ["--endpoint-url", self.url, *more]
        run = subprocess.run(
            [sys.executable, str(self.checkout / "deploy/aws/deploying.py"), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env={**os.environ, "AWS_MAX_ATTEMPTS": "1"},
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    @property
    def bucket(self) -> str:
        (bucket,) = self.client("s3").list_buckets()["Buckets"]
        return str(bucket["Name"])

    def packed(self, name: str) -> set[str]:
        """The files that this host would fetch."""
        body = self.client("s3").get_object(Bucket=self.bucket, Key=name)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            return set(archive.getnames())

    def parameters(self, name: str = "mill") -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def user_data(self, role: str) -> str:
        """What a machine of this role is started with."""
        template = self.client("ec2").describe_launch_template_versions(
            LaunchTemplateName=f"mill-{role}"
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return base64.b64decode(template["UserData"]).decode()

    def machines(self, role: str) -> list[dict[str, Any]]:
        found = self.client("ec2").describe_instances(
            Filters=[{"Name": "tag:Name", "Values": [f"mill-{role}*"]}]
        )
        return [one for held in found["Reservations"] for one in held["Instances"]]
