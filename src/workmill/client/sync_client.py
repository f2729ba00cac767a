"""The client that blocks. Thread-safe: one may serve a whole process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self
from uuid import UUID

from workmill.client import arguments
from workmill.client.addresses import DEFAULT_URL
from workmill.client.background_tasks import Background
from workmill.client.batches import (
    BATCHES_IN_FLIGHT,
    Batches,
    batches_of,
    cut,
    folded_item,
    prepared,
    streamed,
    works,
)
from workmill.client.handles import SubmittedJob, Uncopied
from workmill.client.operations import TIDY_SECONDS, Operations
from workmill.client.retries import PATIENCE_SECONDS
from workmill.client.sockets import Stop
from workmill.client.sync_transport import Transport
from workmill.client.upload import Heard, unheard
from workmill.client.values import Data, Finished, Progress, PulledBatch, Work
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Node
from workmill.domain.limits import RECEIPT_SECONDS
from workmill.wire.messages import CancelReply, JobView, StatsView, SubmitReply
from workmill.workloads.registry import DEFAULT_WORKLOAD


class Handle(SubmittedJob):
    """One submitted job, to be asked for its result."""

    __slots__ = ("_client",)

    def __init__(self, client: Client, reply: SubmitReply) -> None:
        super().__init__(reply)
        self._client = client

    def result(self, timeout_seconds: float | None = None) -> bytes:
        """Wait for the raw value, for ever when no `timeout_seconds` is given.

        A job whose work was known at submit answers without asking. Raises JobFailed,
        JobCancelled, WaitTimeout (the job goes on), InvalidInput when the submit was refused,
        and EndpointUnreachable when no endpoint answers for the client's `timeout_seconds`.
        """
        arguments.patience(timeout_seconds)
        value = self.known()
        return self._client.result(self.id, timeout_seconds) if value is None else value

    def progress(self) -> Progress:
        """How far the job is."""
        return Progress.of(self._client.job(self.id))

    def cancel(self) -> None:
        """End the job without a result. Raises Conflict when it has ended already."""
        self._client.cancel(self.id)


class Client(Uncopied):
    """A service's face in Python.

    >>> with Client("http://127.0.0.1:5000") as client:     # doctest: +SKIP
    ...     handle = client.submit(b"some data", iterations=1000)
    ...     print(handle.result(timeout_seconds=60).hex())

    With several URLs, the next one is asked when one takes no connection. Every operation is
    repeated for up to `timeout_seconds` while the service is away or asks to wait; that is safe,
    because the client chooses the ids.
    """

    def __init__(
        self,
        url: str | Sequence[str] = DEFAULT_URL,
        *,
        key: str | None = None,
        timeout_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`key` is the service's shared secret. Raises InvalidInput for a URL that is none."""
        self._transport = Transport(url, key=key)
        self._operations = Operations(timeout_seconds)

    def submit(
        self,
        data: Data,
        iterations: int,
        *,
        id: str | UUID | None = None,  # noqa: A002  the name it has everywhere else
        priority: int = 0,
        workload: str = DEFAULT_WORKLOAD,
        fold_locally: bool = False,
        heard: Heard = unheard,
    ) -> Handle:
        """Submit one job; when this returns, it is durable.

        `data` is bytes or whatever holds them, the path of a file, which is streamed, or a binary
        stream, which is read once and so not sent again when that fails. With `fold_locally` the
        first iteration is made here and only 64 bytes travel. `heard` is told how many bytes of a
        file are done with, again and again, perhaps in another thread. Raises Conflict when `id`
        names other work already; the same work again is harmless. Raises InvalidInput for what is
        no data, number or id, and for a file that is written to meanwhile; OSError for one that
        cannot be read. Nothing is stored then.
        """
        if fold_locally:
            item = folded_item(Work(data, iterations, id, priority), workload, heard)
            steps = self._operations.submit_item(item)
        else:
            steps = self._operations.submit(data, iterations, id, priority, workload, heard)
        reply = self._transport.run(steps)
        return Handle(self, reply)

    def submit_many(
        self,
        items: Iterable[Data | Work],
        iterations: int | None = None,
        *,
        priority: int = 0,
        workload: str = DEFAULT_WORKLOAD,
        fold_locally: bool = False,
    ) -> Iterator[Handle]:
        """Submit any number of jobs in batches; yields their handles in order, once durable.

        `items` is consumed only as fast as the handles are: at most twelve batches of 2 MiB are
        under way, and nothing is sent until the first handle is asked for, so
        `handles = list(client.submit_many(...))` submits all. An item that is refused does not
        touch the others: its handle has a `problem`, and its `result()` raises. Items whose
        part of the store is away are sent again for up to `timeout_seconds` first. What is larger
        than a batch is streamed by itself. Whoever leaves early leaves at once: which of the jobs
        without a handle are stored is not known then.
        """

        def send(batch: list[Work]) -> list[Handle]:
            if streamed(batch) and not fold_locally:
                steps = self._operations.submit_alone(batch[0], workload)
                return [Handle(self, self._transport.run(steps, stop))]
            items = prepared(batch, workload, fold_locally=fold_locally)
            replies = self._transport.run(self._operations.submit_some(items), stop)
            return [Handle(self, reply) for reply in replies]

        workload = arguments.name(workload, "workload")
        batches = Batches(cut(works(items, iterations, priority)))
        threads, stop = Background(), Stop()
        under_way: deque[Future[list[Handle]]] = deque()
        try:
            for batch in batches:
                under_way.append(threads.start(partial(send, batch)))
                if len(under_way) == BATCHES_IN_FLIGHT:
                    yield from threads.outcome(under_way.popleft())
            while under_way:
                yield from threads.outcome(under_way.popleft())
            batches.end()
        finally:
            stop.set()

    def result(self, job_id: str | UUID, timeout_seconds: float | None = None) -> bytes:
        """Wait for a job's raw value; see `Handle.result`."""
        return self._transport.run(self._operations.result(job_id, timeout_seconds))

    def wait_all(
        self, handles: Iterable[Handle], timeout_seconds: float | None = None
    ) -> list[bytes]:
        """The values of all of them, in order, within one `timeout_seconds` for the whole.

        This costs a request for each; `results()` is the cheap way to collect very many.
        Raises what the first one that has no value raises.
        """
        given = arguments.handles(handles, Handle)
        if timeout_seconds is None:
            return [handle.result() for handle in given]
        deadline = time.monotonic() + arguments.seconds(timeout_seconds, "timeout_seconds")
        return [handle.result(max(deadline - time.monotonic(), 0.0)) for handle in given]

    def pull(
        self,
        top: int = 100,
        *,
        receipt_seconds: float = RECEIPT_SECONDS,
        wait_seconds: float = 0.0,
    ) -> PulledBatch:
        """Take up to `top` finished results, latest first, waiting up to `wait_seconds` for one.

        Acknowledge the batch within `receipt_seconds`, or its results come back to be pulled
        again: whoever fails between the two loses nothing.
        """
        return self._transport.run(self._operations.pull(top, receipt_seconds, wait_seconds))

    def acknowledge(self, batch: PulledBatch | str, ids: Iterable[str | UUID] | None = None) -> int:
        """The results of this batch or receipt have arrived, or only those with these `ids`.

        Returns how many are now delivered for good.
        """
        return self._transport.run(self._operations.acknowledge(batch, ids))

    def results(
        self,
        *,
        top: int = 100,
        receipt_seconds: float = RECEIPT_SECONDS,
        wait_seconds: float = 0.0,
    ) -> Iterator[Finished]:
        """Pull results until none has come for `wait_seconds`, each delivered at least once.

        A result counts as received when the next one is asked for; when the loop is left early,
        the one in hand and those after it come back once their receipt has run out.
        """
        while batch := self.pull(top, receipt_seconds=receipt_seconds, wait_seconds=wait_seconds):
            received: list[str] = []
            try:
                for result in batch:
                    yield result
                    received.append(result.id)
            finally:
                if 0 < len(received) < len(batch):
                    with suppress(WorkmillError):  # whoever leaves has an error of his own
                        self._transport.run(
                            self._operations.acknowledge(batch, received, TIDY_SECONDS)
                        )
            self.acknowledge(batch)

    def job(self, job_id: str | UUID) -> JobView:
        """A job as it stands. Raises NotFound."""
        return self._transport.run(self._operations.job(job_id))

    def jobs(self, *, status: str | None = None) -> Iterator[JobView]:
        """All jobs, newest first, or those of one status; fetched page by page."""
        after: int | None = None
        while True:
            page = self._transport.run(self._operations.page(status, after))
            yield from page.jobs
            after = page.next_after
            if after is None:
                return

    def cancel(self, job_id: str | UUID) -> None:
        """End a running job without a result. Raises NotFound, or Conflict when it has ended."""
        self._transport.run(self._operations.cancel(job_id))

    def cancel_many(self, job_ids: Iterable[str | UUID]) -> list[CancelReply]:
        """End many jobs, a thousand a request; says what became of each, in order.

        An id that is refused (there is no such job, or it has ended) has a `problem` and does not
        touch the others.
        """
        replies: list[CancelReply] = []
        for batch in batches_of(arguments.several(job_ids, "job_ids")):
            replies += self._transport.run(self._operations.cancel_some(batch))
        return replies

    def stats(self) -> StatsView:
        """The service's counters and its predicted wait."""
        return self._transport.run(self._operations.stats())

    def nodes(self) -> list[Node]:
        """The service's live processes."""
        return self._transport.run(self._operations.nodes())

    def backup(self, file: str | PathLike[str]) -> None:
        """Copy the whole store to `file` while the service runs; the file appears when whole."""
        self._transport.run(self._operations.backup(file))

    def restore(self, file: str | PathLike[str]) -> None:
        """Replace everything in the store by a backup. Raises InvalidInput when it is none."""
        self._transport.run(self._operations.restore(file))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
