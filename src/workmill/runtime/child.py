"""What a supervised process runs: `python -m workmill.runtime.child ROLE CONFIG-AS-JSON`."""

from __future__ import annotations

import sys

import msgspec

from workmill.domain.errors import WorkmillError
from workmill.runtime.compose import run_endpoint, run_worker
from workmill.runtime.config import EndpointConfig, WorkerConfig
from workmill.runtime.lifeline import follow_lifeline
from workmill.runtime.processes import Command
from workmill.telemetry import emit


def endpoint_command(config: EndpointConfig) -> Command:
    """How to run an endpoint as a child, its listening socket inherited."""
    fds = () if config.listen_fd is None else (config.listen_fd,)
    return _command("endpoint", config, fds)


def worker_command(config: WorkerConfig) -> Command:
    """How to run a worker as a child."""
    return _command("worker", config, ())


def _command(role: str, config: msgspec.Struct, pass_fds: tuple[int, ...]) -> Command:
    words = msgspec.json.encode(config).decode()
    argv = (sys.executable, "-P", "-m", "workmill.runtime.child", role, words)
    return Command(role, argv, pass_fds)


def main(role: str, config: str) -> int:
    """Play the role until told to drain; the exit code."""
    follow_lifeline()
    try:
        if role == "endpoint":
            run_endpoint(msgspec.json.decode(config, type=EndpointConfig))
        else:
            run_worker(msgspec.json.decode(config, type=WorkerConfig))
    except WorkmillError as error:
        emit(f"{role}.refused", level="error", detail=error.detail)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
