"""Machines on Amazon EC2: launched from a template, spread over zones, known by their tags.

Theory. The launch template of a role has its image, user data, instance profile and security
group (`deploy/aws/workmill.yaml` makes them); this module only says how many, where, and with
which tags. Four things keep a lost reply or a dead controller from costing money:

- a request bears a client token, so that asking again launches nothing twice;
- whatever bears the cluster's tag is listed, whoever launched it;
- a machine that shuts itself down is terminated, not kept stopped;
- only machines that bear the tag are ever terminated.

The SDK repeats what is throttled or breaks, a bounded number of times with growing pauses. A zone
without room passes its share on to the others.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final, NamedTuple

from workmill.domain.errors import InvalidInput, Unavailable
from workmill.telemetry import emit

CLUSTER_TAG: Final = "workmill:cluster"
ROLE_TAG: Final = "workmill:role"
ATTEMPTS: Final = 5
"""How often one request is sent before it counts as failed."""
CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 10.0
TERMINATE_AT_ONCE: Final = 100
MAX_START: Final = 100
"""The most machines that one call starts."""

_FULL: Final = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientFreeAddressesInSubnet",
        "Unsupported",
    }
)
"""Refusals that speak of one zone only."""
_LIVE: Final = ["pending", "running", "stopping", "stopped", "shutting-down"]
_STOPPING: Final = frozenset({"stopping", "shutting-down"})


@dataclass(frozen=True, kw_only=True, slots=True)
class EC2Settings:
    """Where one cluster lives. `subnets` are one a zone; `endpoint_url` is for another EC2."""

    cluster: str
    region: str
    subnets: tuple[str, ...]
    endpoint_url: str | None = None

    def template(self, role: str) -> str:
        """The launch template's name."""
        return f"{self.cluster}-{role}"


class Machine(NamedTuple):
    """One machine of a cluster, which runs one role."""

    id: str
    role: str
    zone: str
    launched_at_seconds: float
    """Since the epoch, by EC2's clock."""
    stopping: bool


class Machines:
    """One cluster's machines. Every verb waits for EC2, and raises Unavailable when that does not
    answer or refuses. Nothing is asked of it before the first one."""

    def __init__(self, settings: EC2Settings) -> None:
        self._settings = settings
        self._zones: dict[str, str] = {}

    def start(self, role: str, count: int) -> Sequence[Machine]:
        """Launch up to `count` more, `MAX_START` at most; fewer where there is no room, or where
        EC2 refuses after it has launched some: a machine that is paid for is never forgotten."""
        count = min(count, MAX_START)
        subnets = self._subnets()
        here = Counter(m.zone for m in self.list() if m.role == role and not m.stopping)
        standing = {zone: here[zone] for zone in subnets}
        started: list[Machine] = []
        while len(started) < count and standing:
            for zone, share in spread(standing, count - len(started)).items():
                try:
                    new = self._launch(role, subnets[zone], share)
                except Unavailable as error:
                    if not started:
                        raise
                    emit("fleet.refused", level="warning", wanted=share, why=error.detail)
                    return started
                if not new:
                    emit("fleet.zone_full", level="warning", zone=zone, wanted=share)
                    del standing[zone]
                    break
                standing[zone] += len(new)
                started += new
        return started

    def _launch(self, role: str, subnet: str, count: int) -> Sequence[Machine]:
        """Up to `count` in one zone; none when it has no room."""
        named = {"Name": f"{self._settings.cluster}-{role}", ROLE_TAG: role}
        tags = _tags({CLUSTER_TAG: self._settings.cluster, **named})
        try:
            with _translated("start machines"):
                answer = self._ec2.run_instances(
                    LaunchTemplate={
                        "LaunchTemplateName": self._settings.template(role),
                        "Version": "$Latest",
                    },
                    MinCount=1,
                    MaxCount=count,
                    SubnetId=subnet,
                    ClientToken=uuid.uuid4().hex,
                    InstanceInitiatedShutdownBehavior="terminate",
                    TagSpecifications=[
                        {"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")
                    ],
                )
        except _ZoneFull:
            return []
        return [_machine(instance) for instance in answer["Instances"]]

    def stop(self, ids: AbstractSet[str]) -> None:
        """Terminate these: the system shuts down, and its services drain. One that is gone, or not
        this cluster's, is left in peace."""
        ours = iter([m.id for m in self.list() if m.id in ids and not m.stopping])
        while some := list(islice(ours, TERMINATE_AT_ONCE)):
            with _translated("stop machines"):
                self._ec2.terminate_instances(InstanceIds=some)

    def list(self) -> Sequence[Machine]:
        """All that bear the cluster's tag and have not ended, whoever launched them."""
        filters = [
            {"Name": f"tag:{CLUSTER_TAG}", "Values": [self._settings.cluster]},
            {"Name": "instance-state-name", "Values": _LIVE},
        ]
        with _translated("list machines"):
            pages = self._ec2.get_paginator("describe_instances").paginate(Filters=filters)
            found = [
                _machine(instance)
                for page in pages
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            ]
        return [machine for machine in found if machine.role]

    def _subnets(self) -> dict[str, str]:
        """The subnet of each zone, asked once."""
        if not self._zones:
            wanted = list(self._settings.subnets)
            with _translated("look the subnets up"):
                found = self._ec2.describe_subnets(SubnetIds=wanted)["Subnets"]
            self._zones = {one["AvailabilityZone"]: one["SubnetId"] for one in found}
        return self._zones

    @cached_property
    def _ec2(self) -> Any:
        import boto3
        from botocore.config import Config

        with _translated("find the region and a role's credentials"):
            return boto3.session.Session().client(
                "ec2",
                region_name=self._settings.region,
                endpoint_url=self._settings.endpoint_url,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=ANSWER_SECONDS,
                ),
            )


def spread(standing: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` new machines go to each zone, so that all have as equal a number as can
    be. `standing` has every zone, with how many are there; ties go to the first by name."""
    numbers = dict(standing)
    share = dict.fromkeys(numbers, 0)
    for _ in range(count):
        zone = min(numbers, key=lambda name: (numbers[name], name))
        numbers[zone] += 1
        share[zone] += 1
    return {zone: new for zone, new in share.items() if new}


class _ZoneFull(Exception):
    """This zone has no room now; another may have. Never leaves this module."""


@contextmanager
def _translated(attempt: str) -> Iterator[None]:
    """What boto3 raises, as ours; and that it is not there, for it is an extra."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise InvalidInput(
            f"Without boto3 we cannot {attempt}. Nothing was changed. Install workmill[ec2]."
        ) from error
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        if said.get("Code") in _FULL:
            raise _ZoneFull from error
        raise Unavailable(
            f"EC2 refused to {attempt}: {said.get('Code')}: {said.get('Message')}. What runs goes "
            "on. See that the stack and the controller's role are as deploy/aws made them."
        ) from error
    except BotoCoreError as error:
        raise Unavailable(
            f"EC2 did not let us {attempt}: {error}. What runs goes on; it is tried again."
        ) from error


def _machine(instance: dict[str, Any]) -> Machine:
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
    return Machine(
        id=instance["InstanceId"],
        role=tags.get(ROLE_TAG, ""),
        zone=instance["Placement"]["AvailabilityZone"],
        launched_at_seconds=instance["LaunchTime"].timestamp(),
        stopping=instance["State"]["Name"] in _STOPPING,
    )


def _tags(named: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in named.items()]
