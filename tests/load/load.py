"""The load of all fault runs: threads that submit and pull without a pause while a service is hurt.

    way = Sdk([door.url, other.url])                       # or Raw(url), or Stores(open_store)
    with Load([way] * 3 + [Raw(door.url)] * 8, puller=way) as load:
        load.wait_for(100)                                 # so many more are acknowledged
        hurt(service)
        load.wait_for(100)
    outcome = load.outcome()
    assert outcome.kept, outcome                           # nothing lost, wrong or twice
    assert outcome.failures("sdk") == 0, outcome
    assert outcome.failed_share("raw") <= 0.01, outcome

Leaving waits until everything acknowledged has been delivered, or says at last what was not. What
was not confirmed is not counted as acknowledged.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from tests.load.ledger import Ledger, Outcome
from tests.load.load_clients import PAUSE_SECONDS, Failed, Puller, Submit, Way, Work, Worker
from tests.system.processes import until

END_SECONDS = 100.0
"""How long the last results may take; more than any lease or receipt of a load lasts."""


class Load:
    """Runs from entering to leaving."""

    def __init__(
        self,
        ways: Sequence[Way],
        *,
        puller: Puller | None = None,
        workers: Sequence[Worker] = (),
        each: int | None = None,
        seed: int = 1,
    ) -> None:
        """One thread for each way, for each worker and for the puller. With `each`, every way
        submits that often, and leaving waits for that; else until the load is left."""
        self.ledger: Ledger[Work] = Ledger()
        self._each = each
        self._enough, self._over = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._submitters = [
            self._thread(partial(self._submit, way, random.Random(f"{seed} {number}")))
            for number, way in enumerate(ways)
        ]
        self._others = [self._thread(partial(self._work, worker)) for worker in workers]
        self._pulls = puller is not None
        if puller is not None:
            self._others.append(self._thread(partial(self._pull, puller)))

    def __enter__(self) -> Self:
        for thread in [*self._submitters, *self._others]:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._each is None or kind is not None:
            self._enough.set()
        for thread in self._submitters:
            thread.join()
        deadline = time.monotonic() + END_SECONDS
        while kind is None and self._pulls and self.ledger.missing() and not self._errors:
            if time.monotonic() > deadline or self._over.wait(PAUSE_SECONDS):
                break
        self._over.set()
        for thread in self._others:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def wait_for(self, acknowledged: int) -> None:
        """Return when that many more jobs have been acknowledged."""
        goal = len(self.ledger.acknowledged) + acknowledged
        until(lambda: self._errors or len(self.ledger.acknowledged) >= goal)

    def longest_pause_seconds(self, since: float) -> float:
        """The longest time without any acknowledgement since then."""
        return self.ledger.longest_pause_seconds(since)

    def outcome(self) -> Outcome:
        """After the end: what became of it all, every value compared with hashlib's."""
        return self.ledger.outcome(Work.value)

    def _thread(self, act: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(act,))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised where the load is left
            self._errors.append(error)

    def _submit(self, way: Way, chance: random.Random) -> None:
        with way.submitting(self._enough) as submit:
            for _ in itertools.count() if self._each is None else range(self._each):
                if self._enough.wait(way.between_seconds):
                    return
                works = way.works(chance)
                while not self._confirmed(way.kind, submit, works) and way.repeats:
                    if self._enough.wait(PAUSE_SECONDS):
                        return

    def _confirmed(self, kind: str, submit: Submit, works: Sequence[Work]) -> bool:
        try:
            names = submit(works)
        except Failed as failed:
            self.ledger.fail(kind, str(failed))
            return False
        self.ledger.acknowledge(kind, names, works)
        return True

    def _work(self, worker: Worker) -> None:
        with worker.working(self._over) as work:
            while not self._over.is_set():
                work()

    def _pull(self, puller: Puller) -> None:
        with puller.pulling(self._over) as pull:
            while not self._over.is_set():
                pull(self.ledger.deliver)
