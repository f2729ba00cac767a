"""What a supervised process runs: `python -m workmill.runtime.child ROLE CONFIG-AS-JSON`."""

from __future__ import annotations

import sys

import msgspec

from workmill.domain.errors import WorkmillError
from workmill.runtime.config import EndpointConfig, UpConfig, WorkerConfig
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


def up_command(config: UpConfig) -> Command:
    """How to run a whole service as a child; it says `Ready` as a line of JSON on its output."""
    return _command("up", config, ())


def _command(role: str, config: msgspec.Struct, pass_fds: tuple[int, ...]) -> Command:
    words = msgspec.json.encode(config).decode()
    argv = (sys.executable, "-P", "-m", "workmill.runtime.child", role, words)
    return Command(role, argv, pass_fds)


def main(role: str, words: str) -> int:
    """Play the role until told to drain; the exit code."""
    follow_lifeline()
    try:
        return _play(role, words)
    except WorkmillError as error:
        emit(f"{role}.refused", level="error", detail=error.detail)
        return 1


def _play(role: str, words: str) -> int:
    from workmill.runtime import compose, up

    if role == "up":
        return up.run_up(
            msgspec.json.decode(words, type=UpConfig),
            lambda ready: print(msgspec.json.encode(ready).decode(), flush=True),
        )
    if role == "endpoint":
        compose.run_endpoint(msgspec.json.decode(words, type=EndpointConfig))
    else:
        compose.run_worker(msgspec.json.decode(words, type=WorkerConfig))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
