"""A Workmill of its own for a bench: `workmill up` on a free port, and results over HTTP."""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import WORKER_PROCESSES, child, free_port, wait_for_port
from workmill.domain.limits import MAX_PULL_RESULTS

FEW_RESULTS = 1000
REST_SECONDS = 0.02
"""After a pull that brought few results: many small pulls cost more than they bring."""
WORKMILL = str(Path(sys.executable).with_name("workmill"))


@contextmanager
def running(store: str | None = None) -> Iterator[int]:
    """`workmill up` with a fresh store and two workers; gives the port.

    `store` is the address of a Redis. Without one the store is embedded, in a directory made
    where the bench was started: the usual one for temporary files may be in memory, where an
    fsync costs nothing.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as made:
        port, log = free_port(), Path(made) / "workmill.log"
        words = [WORKMILL, "up", "--port", str(port), "--workers", str(WORKER_PROCESSES)]
        kept = ["--store", store] if store else ["--data", f"{made}/data"]
        with child([*words, *kept], log):
            wait_for_port(port, log)
            yield port


def pull_from(port: int, count: int) -> Iterator[tuple[str, str]]:
    """So many results over HTTP, by the compatible face."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    left = count
    while left:
        connection.request("POST", f"/pullCompleted?top={MAX_PULL_RESULTS}")
        pulled = json.loads(connection.getresponse().read())
        if len(pulled) < min(FEW_RESULTS, left):
            time.sleep(REST_SECONDS)
        for item in pulled:
            yield item["id"], item["value"]
        left -= len(pulled)
    connection.close()
