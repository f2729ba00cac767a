"""What deploy/aws/deploy does, in order. Every step may be repeated: it looks before it makes.

1. Secrets: three store hosts' files and the service's key, made once, in a folder that stays here.
2. A bucket, closed and encrypted, for the release and for what each role may know.
3. The stack of `workmill.yaml`, then the one of `alarms.yaml`, which watches it.
4. Founding the store, once in the life of a cluster, on its first host.

What is not said on the command line stays as it was. `--dry-run` says what would be done, checks
the templates with AWS where it is reached, and changes nothing, here or there.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from stacks import Stack, Stopped

HERE: Final = Path(__file__).parent
ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"
STORE_ADDRESSES: Final = ("10.42.16.10", "10.42.32.10", "10.42.48.10")
NETWORK: Final = "10.42.0.0/16"
STORE_MEMORY_BYTES: Final = 10 * 2**30
"""Of the 16 GiB that a store host has."""
FOUNDED: Final = "hosts/founded"
"""An empty object of this name says that the store was founded: it never is twice."""
AUTHORITY: Final = "hosts/authority"
"""The fingerprint of the authority and passwords that the store's hosts were made with."""
FOUND: Final = (
    "runuser -u workmill-redis -- /opt/workmill/.venv/bin/python -P "
    "-m workmill.redis_hosts found /etc/workmill-redis"
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
STORE_STAYS: Final = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": "Update:*",
                "Principal": "*",
                "Resource": [f"LogicalResourceId/Store{number}" for number in (1, 2, 3)],
            },
        ]
    }
)
"""CloudFormation would restart or replace all three store hosts at once: it may not touch them."""


class Deployment:
    """One cluster's deployment. `say` tells the person what is done."""

    def __init__(self, words: argparse.Namespace, say: Callable[[str], None]) -> None:
        self._words = words
        self._say = say
        self._folder = Path(words.secrets).absolute()
        self._session = boto3.session.Session(region_name=words.region)
        self._cluster = words.cluster
        formation = self._client("cloudformation")
        self._stack = Stack(formation, self._cluster, HERE / "workmill.yaml")
        self._alarms = Stack(formation, f"{self._cluster}-alarms", HERE / "alarms.yaml")

    def run(self) -> None:
        """All steps."""
        account = self._client("sts").get_caller_identity()["Account"]
        bucket = f"{self._cluster}-{account}-{self._words.region}"
        release = _git("rev-parse", "--short=12", "HEAD")
        self._say(f"Account {account}, {self._words.region}, cluster {self._cluster}, {release}.")
        self._check(bucket)
        if self._words.dry_run:
            self._tell(bucket)
            return
        self._secrets()
        self._fill(bucket, release)
        outputs = self._raise_stacks(bucket, release)
        self._found(bucket, outputs["Store1"])
        for name in ("Url", "InnerUrl"):
            if name in outputs:
                self._say(f"{name}: {outputs[name]}")
        self._say(f"Its key is in {self._folder / 'workmill.key'}. Keep {self._folder} safe.")

    def _check(self, bucket: str) -> None:
        if _git("status", "--porcelain", "--untracked-files=no"):
            raise Stopped("There are changes that no commit has. Nothing was done. Commit first.")
        known = self._known_authority(bucket)
        if known and known != self._authority():
            raise Stopped(
                f"The cluster {self._cluster} has a store that was made with other secrets than "
                f"those in {self._folder}: new endpoints could not reach it. Nothing was done. Say "
                "with --secrets where its own are."
            )
        self._stack.check()
        self._alarms.check()
        self._say("The templates are valid.")

    def _tell(self, bucket: str) -> None:
        there = "is there" if self._exists(bucket) else "would be made"
        here = "are there" if self._authority() else "would be made"
        self._say(f"Secrets in {self._folder} {here}; bucket {bucket} {there}.")
        stack = "be made" if self._stack.given() is None else "be brought up to date"
        self._say(f"The stack {self._cluster} would {stack}. Nothing was changed.")

    def _secrets(self) -> None:
        """Made once, and again only by hand: whoever has them has the cluster."""
        key = self._folder / "workmill.key"
        if not key.exists():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = key.with_name("workmill.key.new")
            made.unlink(missing_ok=True)
            made.touch(0o600)
            made.write_text(secrets.token_hex(32) + "\n")
            made.replace(key)
        prepare = [sys.executable, "-P", "-m", "workmill.redis_hosts", "prepare"]
        words = ["--memory-bytes", str(STORE_MEMORY_BYTES), "--allow", NETWORK]
        place = str(self._folder / "store")
        subprocess.run(
            [*prepare, place, *STORE_ADDRESSES, *words], check=True, stdout=subprocess.DEVNULL
        )
        self._say(f"Secrets are in {self._folder}.")

    def _authority(self) -> str:
        """The fingerprint of what all hosts of the store share; empty while it is not made."""
        files = [self._folder / "store" / name for name in ("ca/ca.crt", "passwords.json")]
        if not all(file.exists() for file in files):
            return ""
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    def _known_authority(self, bucket: str) -> str:
        if not self._exists(bucket):
            return ""
        s3 = self._client("s3")
        if not s3.list_objects_v2(Bucket=bucket, Prefix=AUTHORITY)["KeyCount"]:
            return ""
        return str(s3.get_object(Bucket=bucket, Key=AUTHORITY)["Body"].read().decode())

    def _fill(self, bucket: str, release: str) -> None:
        s3 = self._client("s3")
        if not self._exists(bucket):
            where = {"LocationConstraint": self._words.region}
            here = {} if self._words.region == "us-east-1" else {"CreateBucketConfiguration": where}
            s3.create_bucket(Bucket=bucket, **here)
        s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(CLOSED, True)
        )
        archive = subprocess.run(
            ["git", "archive", "--format=tar.gz", "HEAD"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        store, key = self._folder / "store", self._folder / "workmill.key"
        files = {AUTHORITY: self._authority().encode(), f"releases/{release}.tar.gz": archive}
        for number in (1, 2, 3):
            files[f"hosts/store-{number}.tar.gz"] = _packed(store / f"redis-{number}")
        for role in ROLES:
            more = (store / "endpoint",) if role == "endpoint" else ()
            files[f"hosts/{role}.tar.gz"] = _packed(*more, key)
        for name, body in files.items():
            s3.put_object(Bucket=bucket, Key=name, Body=body, ServerSideEncryption="AES256")
        self._say(f"The release and each role's secrets are in {bucket}.")

    def _raise_stacks(self, bucket: str, release: str) -> dict[str, str]:
        """The cluster's outputs."""
        before = self._stack.given()
        new = before is None
        self._say(f"To {'make' if new else 'update'} the stack takes some minutes.")
        words = self._words
        values = {
            "ClusterName": self._cluster,
            "Bucket": bucket,
            "Release": release,
            # What store hosts were made from stays: a change would replace or restart all three.
            "StoreRelease": release if new else None,
            "ImageId": (words.image or self._newest_image()) if new else None,
            "ClientCidr": words.clients,
            "CertificateArn": words.certificate,
            "MaxWorkers": None if words.max_workers is None else str(words.max_workers),
        }
        outputs = self._stack.raise_with(values, STORE_STAYS)
        watched = {name: value for name, value in outputs.items() if name not in _FOR_PEOPLE}
        named = {"ClusterName": self._cluster, "AlarmEmail": words.alarm_email}
        self._alarms.raise_with({"PublicDoorName": "", **watched, **named})
        return outputs

    def _newest_image(self) -> str:
        return str(self._client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"])

    def _found(self, bucket: str, host: str) -> None:
        """Say once that the first host may begin with nothing in its hands."""
        s3 = self._client("s3")
        if s3.list_objects_v2(Bucket=bucket, Prefix=FOUNDED)["KeyCount"]:
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
        """What came of telling it; "Success" also where that was done before."""
        ssm = self._client("ssm")
        try:
            command = ssm.send_command(
                InstanceIds=[host],
                DocumentName="AWS-RunShellScript",
                Parameters={"commands": [FOUND]},
            )["Command"]["CommandId"]
            with suppress(WaiterError):  # it failed, or takes long: its own words say which
                ssm.get_waiter("command_executed").wait(CommandId=command, InstanceId=host)
            done = ssm.get_command_invocation(CommandId=command, InstanceId=host)
        except ClientError as error:
            return str(error)  # the host is not up yet
        said = done.get("StandardErrorContent", "")
        if done["Status"] == "Success" or HOLDS_A_STORE in said:
            return "Success"
        return f"{done['Status']}: {said.strip()[-500:]}"

    def _exists(self, bucket: str) -> bool:
        return bucket in [one["Name"] for one in self._client("s3").list_buckets()["Buckets"]]

    def _client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._words.endpoint_url)


_FOR_PEOPLE: Final = frozenset({"Url", "InnerUrl"})


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
    parser = argparse.ArgumentParser(
        "deploy",
        description="Put Workmill on AWS, or update it. What is not given stays as it was.",
    )
    parser.add_argument("--cluster", default="workmill", help="its name; the stack's too")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "eu-central-1"))
    parser.add_argument("--secrets", default="workmill-aws", help="the folder that keeps them")
    parser.add_argument("--clients", metavar="CIDR", help="who reaches it from outside; '': nobody")
    parser.add_argument("--certificate", metavar="ARN", help="of the public door")
    parser.add_argument("--alarm-email", metavar="ADDRESS", help="who hears of alarms")
    parser.add_argument("--max-workers", type=int, help="machines; 20 at first")
    parser.add_argument("--image", metavar="AMI", help="at first: another than the newest Ubuntu")
    parser.add_argument("--endpoint-url", metavar="URL", help="another AWS: a rehearsal")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Deploy; the exit code."""
    try:
        Deployment(_words(given), print).run()
    except (Stopped, BotoCoreError, ClientError, subprocess.CalledProcessError) as error:
        why = (getattr(error, "stderr", None) or "").strip()
        print(
            f"{error}\n{why}\nWhat was done before is kept; deploy again goes on there.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
