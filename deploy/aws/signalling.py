"""Tell the stack that this host serves, or that it does not: signalling.py REGION STACK RESOURCE

An endpoint serves when /readyz says so, a controller when its unit has stayed up. CloudFormation
goes on to the next host of a new release when it hears so, and goes back to the release before when
it does not. Nobody waits for it while a stack is made or an autoscaling group grows, and the word
is refused then: so a refusal is no failure. Nor is a host that does not serve yet ended here, for
that may be the store's fault.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 2.0
STEADY_LOOKS: Final = 5
"""So many good looks running are no accident between two crashes."""
ENDPOINT_PORT: Final = 5000


def endpoint_serves() -> bool:
    """Whether the endpoint of this host would be given requests."""
    connection = http.client.HTTPConnection("127.0.0.1", ENDPOINT_PORT, timeout=LOOK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def controller_serves() -> bool:
    """Whether the controller's unit is up."""
    words = ["systemctl", "is-active", "--quiet", "workmill-controller"]
    return subprocess.run(words, check=False).returncode == 0


SERVES: Final[Mapping[str, Callable[[], bool]]] = {
    "Endpoints": endpoint_serves,
    "Controllers": controller_serves,
}


def is_steady(
    serves: Callable[[], bool],
    ticks: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether it serves, look after look, within the patience that there is."""
    deadline, good = ticks() + PATIENCE_SECONDS, 0
    while good < STEADY_LOOKS and ticks() < deadline:
        good = good + 1 if serves() else 0
        sleep(LOOK_SECONDS)
    return good >= STEADY_LOOKS


def main(region: str, stack: str, resource: str) -> None:
    """Wait until it serves, and say so."""
    status = "SUCCESS" if is_steady(SERVES[resource]) else "FAILURE"
    try:
        boto3.client("cloudformation", region).signal_resource(
            StackName=stack,
            LogicalResourceId=resource,
            UniqueId=socket.gethostname(),
            Status=status,
        )
    except (ClientError, BotoCoreError) as error:
        print(f"{status} was not heard, for nobody waits: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
