"""Clients that submit and pull without a pause while a service is being hurt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Self

from tests.faults.ledger import Ledger
from tests.system.processes import PATIENCE_SECONDS, Up, until

from workmill import Client
from workmill.domain.errors import Unavailable

SUBMITTERS = 3
RECEIPT_SECONDS = 3.0


class Load:
    """Runs from entering to leaving; on leaving, everything acknowledged has been delivered.

    A submit whose outcome stayed unknown is not counted as acknowledged.
    """

    def __init__(
        self,
        up: Up,
        *,
        receipt_seconds: float = RECEIPT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`patience_seconds` is how long a submitter tries for one job before it takes another."""
        self.ledger = Ledger()
        self._up = up
        self._receipt_seconds = receipt_seconds
        self._times: list[float] = []
        self._enough = threading.Event()
        self._emptied = threading.Event()
        self._submitters = [
            threading.Thread(target=self._with_client, args=(self._submit, patience_seconds))
            for _ in range(SUBMITTERS)
        ]
        self._puller = threading.Thread(
            target=self._with_client, args=(self._pull, PATIENCE_SECONDS)
        )
        self._errors: list[BaseException] = []

    def __enter__(self) -> Self:
        for thread in [*self._submitters, self._puller]:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        for thread in self._submitters:
            thread.join()
        try:
            if kind is None:
                until(lambda: self._errors or self._missing() == 0)
        finally:
            self._emptied.set()
            self._puller.join()
        if self._errors:
            raise self._errors[0]

    def wait_for(self, acknowledged: int) -> None:
        """Return when that many more jobs have been acknowledged."""
        goal = len(self.ledger.acknowledged) + acknowledged
        until(lambda: self._errors or len(self.ledger.acknowledged) >= goal)

    def longest_pause_seconds(self, since: float) -> float:
        """The longest time without any acknowledgement since then."""
        times = [since, *(at for at in list(self._times) if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))

    def _missing(self) -> int:
        delivered = {job for job, _ in list(self.ledger.delivered)}
        return len(self.ledger.acknowledged.keys() - delivered)

    def _with_client(self, act: Callable[[Client], None], patience_seconds: float) -> None:
        try:
            with Client(self._up.url, timeout_seconds=patience_seconds) as client:
                act(client)
        except BaseException as error:
            self._errors.append(error)
            raise

    def _submit(self, client: Client) -> None:
        count = 0
        while not self._enough.is_set():
            count += 1
            work = (b"%d %d" % (threading.get_ident(), count), 100 + count * 37 % 9000)
            try:
                self.ledger.acknowledged[client.submit(*work).id] = work
                self._times.append(time.monotonic())
            except Unavailable:
                continue

    def _pull(self, client: Client) -> None:
        while not self._emptied.is_set():
            batch = client.pull(1000, receipt_seconds=self._receipt_seconds, wait_seconds=0.5)
            self.ledger.delivered += [(result.id, result.value.hex()) for result in batch]
            if batch:
                client.acknowledge(batch)
