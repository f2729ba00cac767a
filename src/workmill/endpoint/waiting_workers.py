"""Workers that wait for work, first come first served.

Work that arrives through this process wakes as many of them as there are new jobs; a
worker that is granted all it asked for wakes the next, for there may be more. A slow tick wakes
one in turn, for work that came another way. So an idle fleet, however large, costs the
store one look per tick, and one new job does not wake a herd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from workmill.domain.job import Lease, LeaseRequest
from workmill.domain.retry import is_suspect

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


def may_leave_more(leases: Sequence[Lease], wanted: LeaseRequest) -> bool:
    """Whether the queue may hold more after this grant of one or more jobs.

    An order that was not filled has emptied it, unless a suspect was granted alone. (A suspect
    that was left behind, so as to be alone, is found by the tick.)
    """
    if len(leases) == 1 and is_suspect(leases[0].attempts - 1):
        return True
    cost = sum(one.total - one.done for one in leases)
    filled = len(leases) >= wanted.min_jobs and cost >= wanted.max_cost
    return filled or len(leases) == wanted.max_jobs
