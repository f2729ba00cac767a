#!/usr/bin/env python3
"""Reload the balancer without dropping a connection or forgetting an endpoint: ./reload MASTER_PID

Endpoints are known to the running process only. Their slots are written to the state file first,
whole or not at all, and the new process starts from it. Only Python itself is needed.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

ANSWER_SECONDS = 5.0


def write_slots(admin: Path, state: Path) -> None:
    """Write what the running process says of its slots into the state file, whole or not at all.
    Raises OSError when it does not answer or the file cannot be written."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(admin))
        connection.sendall(b"show servers state workmill\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    if b"# be_id" not in answer:
        raise OSError(answer.decode().strip() or "it said nothing")
    written = state.with_name(state.name + ".new")
    written.write_bytes(answer)
    written.replace(state)


def main() -> int:
    """Write the slots down, then tell the master."""
    admin = Path(os.environ.get("WORKMILL_ADMIN", "/run/haproxy/workmill.sock"))
    state = Path(os.environ.get("WORKMILL_STATE", "/var/lib/haproxy/workmill.state"))
    try:
        write_slots(admin, state)
        os.kill(int(sys.argv[1]), signal.SIGUSR2)
    except OSError as error:
        print(
            f"{admin}: {error.strerror or error}. Nothing was reloaded. Is haproxy running?",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
