"""python -m workmill.redis_hosts: what deploy/redis/ and the units on the hosts call.

prepare SET ADDRESS ADDRESS ADDRESS   write the set's files (deploy/redis/prepare)
found CONFIGURATION                   on the first host, once: begin with an empty directory
start CONFIGURATION                   wait until the data server may run, then become it
watch CONFIGURATION                   keep its priority, log settings and role while it runs
status CONFIGURATION                  say how the set is
admit CONFIGURATION                   when no better one is left: let this replica be promoted
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from workmill.domain.errors import InvalidInput
from workmill.process.entry import enter_program
from workmill.redis_hosts.plan import (
    DEFAULT_MEMORY_BYTES,
    Plan,
    checked_memory,
    checked_networks,
    checked_word,
    hosts_at,
)
from workmill.redis_hosts.prepare import passwords_in, prepare
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.start import admit, found, read_settings, start
from workmill.redis_hosts.status import status
from workmill.redis_hosts.watch import watch
from workmill.telemetry.error_text import shortage
from workmill.telemetry.role_start import begin

ACTS: dict[str, Callable[[HostSettings], str | None]] = {
    "admit": admit,
    "found": found,
    "start": start,
    "status": status,
    "watch": watch,
}


def main() -> None:
    """Read the words and do what they say."""
    words = _words().parse_args()
    try:
        if words.act == "prepare":
            _prepare(words)
        else:
            begin("redis-host")
            said = ACTS[words.act](read_settings(words.configuration))
            print(said or "Done.")
    except InvalidInput as error:
        sys.exit(error.detail)
    except (RuntimeError, OSError, MemoryError) as error:
        if (told := shortage(error)) is None:
            raise
        sys.exit(told.detail)
    except KeyboardInterrupt:
        sys.exit(130)


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("redis-hosts", description="A store of three Redis hosts.")
    acts = parser.add_subparsers(dest="act", required=True)
    made = acts.add_parser("prepare", help="write the files of a set")
    made.add_argument("set", type=Path)
    made.add_argument("addresses", nargs=3, metavar="ADDRESS")
    made.add_argument("--name", default="workmill", help="of the set, as Sentinels know it")
    made.add_argument("--memory-bytes", type=int, default=DEFAULT_MEMORY_BYTES)
    made.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NETWORK",
        help="from where endpoints on other machines connect, as 10.0.1.0/24",
    )
    for act in ACTS:
        acts.add_parser(act).add_argument("configuration", type=Path)
    return parser


def _prepare(words: argparse.Namespace) -> None:
    plan = Plan(
        hosts=hosts_at(words.addresses),
        name=checked_word(words.name, "the name of a set"),
        memory_bytes=checked_memory(words.memory_bytes),
        client_networks=checked_networks(words.allow),
        passwords=passwords_in(words.set),
    )
    prepare(words.set, plan)
    print(f"{words.set} has a folder for each host. deploy/redis/README.md says how to go on.")
    print(f"The store's address is in {words.set / 'endpoint' / 'address'}.")


if __name__ == "__main__":
    enter_program()
    main()
