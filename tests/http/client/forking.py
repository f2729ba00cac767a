"""One client shared by threads, event loops and forked children at once, for many seeded rounds.

    python -m tests.http.client.forking --rounds 200 --seed 1

Everybody submits data of its own and checks the value that comes back against hashlib. What is
counted: values that are wrong, and exceptions that are not ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.http.client.live import Hands, Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient, Client

WAIT_SECONDS = 60.0


class Round:
    """One round: who does what is drawn from `seed`."""

    def __init__(self, client: Client, awaited: AsyncClient, seed: int) -> None:
        self._client = client
        self._awaited = awaited
        self._draw = random.Random(seed)
        self._seed = seed
        self.faults: list[str] = []

    def run(self) -> list[str]:
        """What went wrong."""
        parts = [self._by_threads, self._in_a_loop, self._in_a_child, self._in_a_child_that_loops]
        chosen = self._draw.choices(parts, k=self._draw.randint(2, 4))
        threads = [
            threading.Thread(target=part, args=(place,)) for place, part in enumerate(chosen)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.faults

    def _by_threads(self, place: int) -> None:
        self._guarded(lambda: check(self._client, self._name("t", place)))

    def _in_a_loop(self, place: int) -> None:
        self._guarded(lambda: asyncio.run(check_awaited(self._awaited, self._name("a", place))))

    def _in_a_child(self, place: int) -> None:
        self._forked(lambda: check(self._client, self._name("c", place)))

    def _in_a_child_that_loops(self, place: int) -> None:
        name = self._name("l", place)
        self._forked(lambda: asyncio.run(check_awaited(self._awaited, name)))

    def _name(self, kind: str, place: int) -> str:
        return f"{self._seed}-{kind}-{place}"

    def _forked(self, work: Callable[[], list[str]]) -> None:
        """The child tells by its exit status; the parent uses the same client meanwhile."""
        child = os.fork()
        if child == 0:
            self._be_a_child(work)
        self._guarded(lambda: check(self._client, f"{self._seed}-p-{child}"))
        _, status = os.waitpid(child, 0)
        if status:
            self.faults.append(f"child ended with {status}")

    def _be_a_child(self, work: Callable[[], list[str]]) -> None:
        try:
            faults = work()
            print(*faults, sep="\n", file=sys.stderr, end="")
            os._exit(min(len(faults), 100))
        except BaseException:  # noqa: BLE001  it is the outcome
            traceback.print_exc()
            os._exit(101)

    def _guarded(self, work: Callable[[], list[str]]) -> None:
        try:
            self.faults += work()
        except BaseException as error:  # noqa: BLE001  it is the outcome
            self.faults.append(repr(error))


def check(client: Client, name: str) -> list[str]:
    """Submit one by one and many together; every value must be what hashlib says."""
    single = client.submit(name.encode(), 7)
    items = [f"{name}-{number}".encode() for number in range(5)]
    handles = list(client.submit_many(items, 3))
    values = [single.result(WAIT_SECONDS), *(one.result(WAIT_SECONDS) for one in handles)]
    expected = [advanced(name.encode(), 7), *(advanced(item, 3) for item in items)]
    return [f"wrong value for {name}" for a, b in zip(values, expected, strict=True) if a != b]


async def check_awaited(client: AsyncClient, name: str) -> list[str]:
    """The same, awaited; all results at once."""
    single = await client.submit(name.encode(), 7)
    items = [f"{name}-{number}".encode() for number in range(5)]
    handles = [handle async for handle in client.submit_many(items, 3)]
    values = await asyncio.gather(*(one.result(WAIT_SECONDS) for one in [single, *handles]))
    expected = [advanced(name.encode(), 7), *(advanced(item, 3) for item in items)]
    return [f"wrong value for {name}" for a, b in zip(values, expected, strict=True) if a != b]


def play(rounds: int, seed: int, url: str) -> list[str]:
    """All rounds over one client of each kind, which are never closed between."""
    faults: list[str] = []
    with Client(url) as client:
        awaited = AsyncClient(url)
        for number in range(rounds):
            faults += Round(client, awaited, seed * 100_000 + number).run()
    return faults


def main() -> int:
    """Rounds as many as asked, against a service of its own in another process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        live = Live(Path(folder) / "store")
        try:
            with Hands(live.url):
                faults = play(given.rounds, given.seed, live.url)
        finally:
            live.stop()
    print(*faults, f"{given.rounds} rounds, {len(faults)} faults", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
