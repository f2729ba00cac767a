"""How each role is run as a child process: the words that `child_main` reads."""

from __future__ import annotations

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.process.children import python_command
from workmill.runtime.config import ControllerConfig, EndpointConfig, UpConfig, WorkerConfig
from workmill.supervisor.processes import Command


def endpoint_command(config: EndpointConfig) -> Command:
    """How to run an endpoint as a child, its listening socket inherited."""
    fds = () if config.listen_fd is None else (config.listen_fd,)
    replacing = msgspec.structs.replace(config, may_found=False)
    first, later = (_command("endpoint", one, fds) for one in (config, replacing))
    return first._replace(later=later.argv, listen_fd=config.listen_fd)


def worker_command(config: WorkerConfig) -> Command:
    """How to run a worker as a child."""
    return _command("worker", config, ())


def controller_command(config: ControllerConfig) -> Command:
    """How to run a controller as a child."""
    return _command("controller", config, ())


def up_command(config: UpConfig) -> Command:
    """How to run a whole service as a child; it says `Ready` as a line of JSON on its output."""
    return _command("up", config, ())


def _command(role: str, config: msgspec.Struct, pass_fds: tuple[int, ...]) -> Command:
    try:
        words = msgspec.json.encode(config).decode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{error.object!r} is not UTF-8, or this locale is not, and cannot be handed on to a "
            "child. Nothing was started. Use another name, or LC_ALL=C.UTF-8."
        ) from None
    argv = python_command("workmill.runtime.child_main", role, words)
    return Command(role, argv, pass_fds)
