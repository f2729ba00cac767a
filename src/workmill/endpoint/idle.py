"""Workers that wait for work, first come first served.

Work that arrives through this process wakes as many of them as there are new jobs; a
worker that is granted something wakes the next, for there may be more. A slow tick wakes
one in turn, for work that came another way. So an idle fleet, however large, costs the
store one look per tick, and one new job does not wake a herd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

TICK_SECONDS: Final = 0.5


class IdleWorkers:
    """The queue of waiting lease calls."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.ended = False

    def wake(self, jobs: int = 1) -> None:
        """There may be work for this many."""
        while self._waiting and jobs > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                jobs -= 1

    async def wait(self, seconds: float, gone: asyncio.Future[None]) -> bool:
        """Wait to be woken; False when the time is over or the worker has hung up."""
        if self.ended:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await asyncio.wait((waiter, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiter.done():
                self._waiting.remove(waiter)
            elif gone.done():
                self.wake()
        return waiter.done() and not gone.done() and not self.ended

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.wake()

    def end(self) -> None:
        """Send everybody home: the endpoint drains."""
        self.ended = True
        self.wake(len(self._waiting))
