"""What a person can set, as plain values; the command line fills them, children inherit them.

Nothing here reads files or the environment: a configuration is a value that can be shown,
compared and handed to a child process as JSON.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from workmill.domain import limits

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_DATA: Final = "workmill-data"
DEFAULT_CLUSTER_DATA: Final = "workmill-cluster"
"""Another one: the jobs of the one kind of store are not those of the other."""


Durability = Literal["memory", "disk", "replicated"]


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint and the store under it: in the directory `data`, unless `store` has the
    addresses of a Redis store."""

    host: str = DEFAULT_HOST
    port: int = limits.PORT
    data: str = DEFAULT_DATA
    store: tuple[str, ...] = ()
    durability: Durability | None = None
    """Of a Redis store; without it the safest that its address can keep."""
    key_file: str | None = None
    open_without_key: bool = False
    max_body_bytes: int = limits.MAX_BODY_BYTES
    max_iterations: int = limits.MAX_ITERATIONS
    notice_seconds: float = 0.0
    """How long it says that it is not ready before it drains; behind a balancer, 3 s do."""
    may_found: bool = True
    """Whether an empty store may be begun where there is none; an endpoint that replaces another
    one, or joins those that serve, may not."""
    listen_fd: int | None = None
    """An inherited listening socket; `host` and `port` then only say where it listens."""


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process, which keeps one core busy."""

    urls: tuple[str, ...]
    key_file: str | None = None


class Elastic(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers there may be, and what they are there for; see
    `controller.worker_scaling`."""

    min_workers: int
    max_workers: int
    target_wait_seconds: float = limits.TARGET_WAIT_SECONDS
    cool_down_seconds: float = limits.COOL_DOWN_SECONDS


class ElasticEndpoints(msgspec.Struct, frozen=True, kw_only=True):
    """How many endpoints there may be; see `controller.endpoint_scaling`."""

    min_endpoints: int
    max_endpoints: int
    cool_down_seconds: float = limits.COOL_DOWN_SECONDS


class Cloud(msgspec.Struct, frozen=True, kw_only=True):
    """Where on EC2 the workers' machines are; `ec2_url` is for another EC2 than Amazon's own."""

    cluster: str
    region: str
    subnets: tuple[str, ...]
    ec2_url: str | None = None


class ControllerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One of the controllers of a service. It keeps what it is told of: workers on EC2, or workers
    and endpoints under the supervisor at the socket `orders`; and the balancer with its admin
    socket at `balancer`, which it shares with the supervisor's other controllers, or has to itself
    where there is no supervisor."""

    urls: tuple[str, ...]
    key_file: str | None = None
    workers: Elastic | None = None
    endpoints: ElasticEndpoints | None = None
    cloud: Cloud | None = None
    orders: str | None = None
    balancer: str | None = None


class UpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint and its workers on this machine; `workers` as many as cores by default, or as
    many as the load asks for."""

    endpoint: EndpointConfig = EndpointConfig()
    workers: int | Elastic | None = None


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on this machine: three store hosts, a balancer at `host` and `port`, endpoints at
    the ports after that, workers, controllers. All that is kept is in the directory `data`."""

    host: str = DEFAULT_HOST
    port: int = limits.PORT
    data: str = DEFAULT_CLUSTER_DATA
    endpoints: ElasticEndpoints
    workers: Elastic
    key_file: str | None = None
    open_without_key: bool = False
