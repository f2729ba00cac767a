"""scripts/redis-hosts: a set of Redis hosts for demonstrations and for work at the desk.

`up` stays in the foreground and owns everything; the other words are told to it through a socket
in its folder, so that one process alone starts and ends things. Ctrl-C, or `down`, ends it all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from tests.hosts.faults import KINDS
from tests.hosts.hosts import Hosts, missing
from tests.hosts.machine import PARTS
from tests.hosts.network import CLIENT

from workmill.redis_hosts.prepare import store_address
from workmill.redis_hosts.status import status

FOLDER = Path("/var/lib/workmill-hosts")
"""Root's own, and on a disk: an fsync costs there what it costs."""
CONTROL = FOLDER / "control"
HELP = f"""
  up                        start three hosts; stays until Ctrl-C or `down`
  status                    what Sentinels and servers say
  run WORDS...              run a command as a client of the set
  kill|pause|resume|start HOST [{"|".join(PARTS)}]
  {"|".join(KINDS)} HOST...   what the network does; `drop FROM TO` is one-sided
  heal                      the network is whole again
  mend                      everything runs, in step
  down                      end it all
"""
_LINE_BYTES = 4096


def main() -> None:
    """Own a set, or tell its owner something."""
    parser = argparse.ArgumentParser(
        "redis-hosts", epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs=argparse.REMAINDER)
    words = parser.parse_args().words or ["status"]
    if words == ["up"]:
        up()
    elif words[0] == "run":
        namespace = told("client")
        os.execvp("ip", ["ip", "netns", "exec", namespace, *words[1:]])  # noqa: S606
    else:
        print(told(" ".join(words)))


def told(line: str) -> str:
    """What the owner of the set answers."""
    with socket.socket(socket.AF_UNIX) as owner:
        if owner.connect_ex(str(CONTROL)):
            sys.exit("No hosts are up. Start them with: scripts/redis-hosts up")
        owner.sendall(line.encode() + b"\n")
        with owner.makefile() as answer:
            return answer.read().rstrip()


def up() -> None:
    """Own a set of hosts until told to end."""
    if lacking := missing():
        sys.exit(f"A set of hosts needs {lacking}. Nothing was started.")
    with socket.socket(socket.AF_UNIX) as other:
        if other.connect_ex(str(CONTROL)) == 0:
            sys.exit("Hosts are up already. End them with: scripts/redis-hosts down")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shutil.rmtree(FOLDER, ignore_errors=True)
    with socket.socket(socket.AF_UNIX) as door, Hosts(FOLDER) as hosts, hosts.inside():
        door.bind(str(CONTROL))
        door.listen()
        print(answer(hosts, ["status"]), flush=True)
        print("The store:", store_address(hosts.plan, str(FOLDER / "endpoint")), flush=True)
        try:
            _serve(hosts, door)
        except KeyboardInterrupt:
            print("All is ended.")
        finally:
            CONTROL.unlink()


def _serve(hosts: Hosts, door: socket.socket) -> None:
    line = ""
    while line != "down":
        caller, _ = door.accept()
        with caller, suppress(BrokenPipeError):  # who only looks whether we are here, hangs up
            line = caller.recv(_LINE_BYTES).decode().strip()
            try:
                said = answer(hosts, line.split())
            except (AssertionError, LookupError, TypeError, ValueError) as error:
                said = f"{line!r} was not done: {error!r}"
            caller.sendall(said.encode() + b"\n")


def answer(hosts: Hosts, words: list[str]) -> str:
    match words:
        case ["status"]:
            return status(hosts.machines[hosts.plan.hosts[0].name].settings)
        case ["client"]:
            return hosts.network.namespace(CLIENT)
        case ["down"]:
            return "They are being ended."
        case ["heal"]:
            hosts.heal()
        case ["mend"]:
            hosts.mend()
        case ["kill" | "pause" | "resume" | "start" as act, host, *parts]:
            for part in parts or ["server"]:
                getattr(hosts, act)(host, part)
        case [kind, *names] if kind in KINDS:
            hosts.apply(KINDS[kind](*names))
        case _:
            return HELP
    return "Done."


if __name__ == "__main__":
    main()
