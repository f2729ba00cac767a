"""What deploy/aws/deploy does, in order. Every step may be repeated: it looks before it makes.

1. Secrets: three store hosts' files and the service's key, made once, in a folder that stays here.
2. A bucket, closed and encrypted, for the release and for what each role may know.
3. The stack of `workmill.yaml`.
4. Founding the store, once in the life of a cluster, on its first host.

`--dry-run` says what would be done, checks the template with AWS where it is reached, and changes
nothing, here or there.
"""

from __future__ import annotations

import argparse
import io
import os
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = Path(__file__).with_name("workmill.yaml")
IMAGE: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"
STORE_ADDRESSES: Final = ("10.42.16.10", "10.42.32.10", "10.42.48.10")
NETWORK: Final = "10.42.0.0/16"
FOUNDED: Final = "hosts/founded"
"""An empty object of this name says that the store was founded: it never is twice."""
FOUND: Final = (
    "runuser -u workmill-redis -- /opt/workmill/.venv/bin/python -P "
    "-m workmill.runtime.redis_hosts found /etc/workmill-redis"
)
HOLDS_A_STORE: Final = "holds a store already"
"""What it says where that was done before."""
FOUNDING_SECONDS: Final = 900.0
ASK_AGAIN_SECONDS: Final = 10.0
CLOSED: Final = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)
ROLES: Final = ("endpoint", "worker", "controller")


class Stopped(Exception):
    """The deployment cannot go on; the message says what happened, what was kept, what to do."""


class Deployment:
    """One cluster's deployment. `say` tells the person what is done."""

    def __init__(self, words: argparse.Namespace, say: Callable[[str], None]) -> None:
        self._words = words
        self._say = say
        self._folder = Path(words.secrets).absolute()
        self._session = boto3.session.Session(region_name=words.region)
        self._stack = words.cluster

    def run(self) -> None:
        """All steps."""
        account = self._client("sts").get_caller_identity()["Account"]
        bucket = f"{self._stack}-{account}-{self._words.region}"
        release = _git("rev-parse", "--short=12", "HEAD")
        self._say(f"Account {account}, {self._words.region}, cluster {self._stack}, {release}.")
        self._check()
        if self._words.dry_run:
            self._tell(bucket)
            return
        self._secrets()
        self._fill(bucket, release)
        outputs = self._raise_stack(bucket, release)
        self._found(bucket, outputs["FirstStore"])
        for name in ("Url", "InnerUrl"):
            if name in outputs:
                self._say(f"{name}: {outputs[name]}")
        self._say(f"Its key is in {self._folder / 'workmill.key'}. Keep {self._folder} safe.")

    def _check(self) -> None:
        if _git("status", "--porcelain", "--untracked-files=no"):
            raise Stopped("There are changes that no commit has. Nothing was done. Commit first.")
        self._client("cloudformation").validate_template(TemplateBody=TEMPLATE.read_text())
        self._say("The template is valid.")

    def _tell(self, bucket: str) -> None:
        there = "is there" if self._exists(bucket) else "would be made"
        here = "are there" if (self._folder / "workmill.key").exists() else "would be made"
        self._say(f"Secrets in {self._folder} {here}; bucket {bucket} {there}.")
        stack = "be brought up to date" if self._stack_status() else "be made"
        self._say(f"The stack {self._stack} would {stack}. Nothing was changed.")

    def _secrets(self) -> None:
        """Made once, and again only by hand: whoever has them has the cluster."""
        key = self._folder / "workmill.key"
        if not key.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key.touch(0o600)
            key.write_text(secrets.token_hex(32) + "\n")
        prepare = [sys.executable, "-P", "-m", "workmill.runtime.redis_hosts", "prepare"]
        words = ["--memory-bytes", str(self._words.store_memory_bytes), "--allow", NETWORK]
        place = str(self._folder / "store")
        subprocess.run(
            [*prepare, place, *STORE_ADDRESSES, *words], check=True, stdout=subprocess.DEVNULL
        )
        self._say(f"Secrets are in {self._folder}.")

    def _fill(self, bucket: str, release: str) -> None:
        s3 = self._client("s3")
        if not self._exists(bucket):
            where = {"LocationConstraint": self._words.region}
            here = {} if self._words.region == "us-east-1" else {"CreateBucketConfiguration": where}
            s3.create_bucket(Bucket=bucket, **here)
        closed = (
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        )
        s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(closed, True)
        )
        archive = subprocess.run(
            ["git", "archive", "--format=tar.gz", "HEAD"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        files = {f"releases/{release}.tar.gz": archive}
        for number in (1, 2, 3):
            folder = self._folder / "store" / f"redis-{number}"
            files[f"hosts/store-{number}.tar.gz"] = _packed(folder)
        key = self._folder / "workmill.key"
        for role in ROLES:
            more = (self._folder / "store" / "endpoint",) if role == "endpoint" else ()
            files[f"hosts/{role}.tar.gz"] = _packed(*more, key)
        for name, body in files.items():
            s3.put_object(Bucket=bucket, Key=name, Body=body, ServerSideEncryption="AES256")
        self._say(f"The release and each role's secrets are in {bucket}.")

    def _raise_stack(self, bucket: str, release: str) -> dict[str, str]:
        formation = self._client("cloudformation")
        verb = "update" if self._stack_status() else "create"
        wanted: dict[str, Any] = {
            "StackName": self._stack,
            "TemplateBody": TEMPLATE.read_text(),
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": self._parameters(bucket, release),
            "Tags": [{"Key": "workmill:cluster", "Value": self._stack}],
        }
        self._say(f"To {verb} the stack takes some minutes.")
        try:
            getattr(formation, f"{verb}_stack")(**wanted)
            formation.get_waiter(f"stack_{verb}_complete").wait(StackName=self._stack)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        (stack,) = formation.describe_stacks(StackName=self._stack)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def _parameters(self, bucket: str, release: str) -> list[dict[str, str]]:
        before = self._given_before()
        values = {
            "ClusterName": self._stack,
            "Bucket": bucket,
            "Release": release,
            # What store hosts were made from stays: a change would replace or restart all three.
            "StoreRelease": before.get("StoreRelease", release),
            "ImageId": before.get("ImageId") or self._words.image or self._newest_image(),
            "ClientCidr": self._words.clients,
            "CertificateArn": self._words.certificate,
            "AlarmEmail": self._words.alarm_email,
            "MaxWorkers": str(self._words.max_workers),
        }
        return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]

    def _given_before(self) -> dict[str, str]:
        if not self._stack_status():
            return {}
        formation = self._client("cloudformation")
        (stack,) = formation.describe_stacks(StackName=self._stack)["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def _newest_image(self) -> str:
        return str(self._client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"])

    def _found(self, bucket: str, host: str) -> None:
        """Say once that the first host may begin with nothing in its hands."""
        s3 = self._client("s3")
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=FOUNDED)
        if listed["KeyCount"]:
            return
        self._say(f"Founding the store on {host}, once.")
        deadline = time.monotonic() + FOUNDING_SECONDS
        while (status := self._said_on(host)) != "Success":
            if time.monotonic() > deadline:
                raise Stopped(
                    f"Host {host} did not found the store: {status}. The stack is kept. See its "
                    "log in Session Manager (journalctl -u workmill-redis), then deploy again."
                )
            time.sleep(ASK_AGAIN_SECONDS)
        s3.put_object(Bucket=bucket, Key=FOUNDED, Body=b"")

    def _said_on(self, host: str) -> str:
        ssm = self._client("ssm")
        try:
            command = ssm.send_command(
                InstanceIds=[host],
                DocumentName="AWS-RunShellScript",
                Parameters={"commands": [FOUND]},
            )["Command"]["CommandId"]
            ssm.get_waiter("command_executed").wait(CommandId=command, InstanceId=host)
            done = ssm.get_command_invocation(CommandId=command, InstanceId=host)
        except (ClientError, WaiterError) as error:
            return str(error)  # the host is not up yet, or not far enough
        founded_before = HOLDS_A_STORE in done.get("StandardErrorContent", "")
        return "Success" if founded_before else str(done["Status"])

    def _stack_status(self) -> str:
        try:
            found = self._client("cloudformation").describe_stacks(StackName=self._stack)["Stacks"]
        except ClientError:
            return ""
        return str(found[0]["StackStatus"])

    def _exists(self, bucket: str) -> bool:
        return bucket in [one["Name"] for one in self._client("s3").list_buckets()["Buckets"]]

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._words.endpoint_url)


def _packed(*paths: Path) -> bytes:
    """These files, and those in these folders, as one archive without folders around them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in paths:
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                archive.add(file, arcname=file.name)
    return packed.getvalue()


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def _words(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("deploy", description="Put Workmill on AWS, or update it.")
    parser.add_argument("--cluster", default="workmill", help="its name; the stack's too")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "eu-central-1"))
    parser.add_argument("--secrets", default="workmill-aws", help="the folder that keeps them")
    parser.add_argument("--clients", default="", metavar="CIDR", help="who reaches it from outside")
    parser.add_argument("--certificate", default="", metavar="ARN", help="of the public door")
    parser.add_argument("--alarm-email", default="", metavar="ADDRESS")
    parser.add_argument("--max-workers", type=int, default=20, help="machines")
    parser.add_argument("--store-memory-bytes", type=int, default=10 * 2**30, help="of 16 GiB")
    parser.add_argument("--image", default="", metavar="AMI", help="another than the newest Ubuntu")
    parser.add_argument("--endpoint-url", metavar="URL", help="another AWS: a rehearsal")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Deploy; the exit code."""
    try:
        Deployment(_words(given), print).run()
    except (Stopped, BotoCoreError, ClientError, subprocess.CalledProcessError) as error:
        print(
            f"{error}\nWhat was done before is kept; deploy again goes on there.", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
