"""What a supervised process runs: `python -m workmill.runtime.child_main ROLE CONFIG-AS-JSON`."""

from __future__ import annotations

import sys

import msgspec

from workmill.domain.errors import WorkmillError
from workmill.process.entry import enter_program
from workmill.runtime.config import ControllerConfig, EndpointConfig, UpConfig, WorkerConfig
from workmill.supervisor.lifeline import follow_lifeline, tell_supervisor
from workmill.telemetry import emit
from workmill.telemetry.error_text import shortage


def main(role: str, words: str) -> int:
    """Play the role until told to drain; the exit code."""
    try:
        follow_lifeline()
        return _play(role, words)
    except (WorkmillError, RuntimeError, OSError, MemoryError) as error:
        told = error if isinstance(error, WorkmillError) else shortage(error)
        if told is None:
            raise
        if not tell_supervisor(told):
            emit(f"{role}.refused", level="error", detail=told.detail)
        return 1


def _play(role: str, words: str) -> int:
    from workmill.runtime import composition, up

    if role == "up":
        return up.run_up(
            msgspec.json.decode(words, type=UpConfig),
            lambda ready: print(msgspec.json.encode(ready).decode(), flush=True),
        )
    if role == "controller":
        from workmill.runtime.controller_process import run_controller

        run_controller(msgspec.json.decode(words, type=ControllerConfig))
    elif role == "endpoint":
        composition.run_endpoint(msgspec.json.decode(words, type=EndpointConfig))
    else:
        composition.run_worker(msgspec.json.decode(words, type=WorkerConfig))
    return 0


if __name__ == "__main__":
    enter_program()
    sys.exit(main(*sys.argv[1:]))
