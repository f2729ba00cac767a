"""Every operation of the client as `core.Steps`: what is asked, and what the answer means.

Both clients carry these out; nothing about the HTTP face is known anywhere else in this room.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from workmill.client.batches import chosen_id, content
from workmill.client.core import SILENCE_SECONDS, Request, Steps
from workmill.client.download import look_at
from workmill.client.handles import may_pass_later, refusal
from workmill.client.reading import Heard, unheard
from workmill.client.retries import Ticks, pause_seconds, retrying
from workmill.client.values import Data, PulledBatch
from workmill.domain.errors import (
    InvalidInput,
    JobCancelled,
    JobFailed,
    Unavailable,
    WaitTimeout,
    WorkmillError,
)
from workmill.domain.ids import id_text, parse_id
from workmill.domain.job import Node
from workmill.wire import codecs, paths
from workmill.wire.messages import (
    Acknowledge,
    Acknowledged,
    BatchItem,
    Cancel,
    CancelReply,
    JobList,
    JobView,
    NodeList,
    PulledResults,
    StatsView,
    SubmitReply,
)

T = TypeVar("T")
R = TypeVar("R", SubmitReply, CancelReply)
_Send: TypeAlias = Callable[[Sequence[T], float, float], Steps[list[R]]]
"""Sends some items, patient for so many seconds, after a delay of so many."""

POLL_SECONDS: Final = 20.0
"""How long one long poll asks an endpoint to wait; below `limits.MAX_WAIT_SECONDS`."""
LAST_LOOK_SECONDS: Final = 1.0
"""A wait whose time is up still gives its last reply this long to arrive."""
BETWEEN_POLLS_SECONDS: Final = 0.02
"""Held back between two polls, so that an endpoint which will not wait is not flooded."""
LONGEST_IDLE_SECONDS: Final = 0.5
"""The longest pause between two pulls that found nothing."""
COPY_SECONDS: Final = 600.0
"""The longest silence while an endpoint copies its whole store."""

OCTETS: Final = "application/octet-stream"


class Operations:
    """The operations of one client, each tried for `patience_seconds` when the service is away."""

    def __init__(self, patience_seconds: float, ticks: Ticks = time.monotonic) -> None:
        self._patience_seconds = patience_seconds
        self._ticks = ticks

    def submit(
        self,
        data: Data,
        iterations: int,
        job_id: str | None,
        priority: int,
        workload: str,
        heard: Heard = unheard,
    ) -> Steps[SubmitReply]:
        """Send one job's data whole; a file is streamed, and `heard` how far."""
        query: dict[str, str | int | float] = {"iterations": iterations}
        query |= {"priority": priority, "workload": workload}
        body = data if isinstance(data, Path) else content(data)
        path = f"{paths.JOBS}/{chosen_id(job_id)}"
        request = Request("PUT", path, query, body, OCTETS, heard=heard)
        return (yield from self._json(request, SubmitReply))

    def submit_item(self, item: BatchItem) -> Steps[SubmitReply]:
        """Send one job as a batch of its own. Raises the refusal."""
        (reply,) = yield from self.submit_batch([item])
        if reply.problem is not None:
            raise refusal(reply)
        return reply

    def submit_batch(self, items: Sequence[BatchItem]) -> Steps[list[SubmitReply]]:
        """Send a batch; the replies come in its order, refusals among them.

        Items that time may heal, because their part of the store is away, are sent again under
        their ids. When patience ends they stay refused, and the others are taken.
        """
        return (yield from self._patiently(items, self._batch))

    def cancel_batch(self, ids: Sequence[str]) -> Steps[list[CancelReply]]:
        """End these jobs in one request; the replies come in its order, refusals among them, with
        the same patience as `submit_batch`."""
        return (yield from self._patiently(ids, self._cancel_batch))

    def _patiently(self, items: Sequence[T], send: _Send[T, R]) -> Steps[list[R]]:
        deadline = self._ticks() + self._patience_seconds
        replies = yield from send(items, self._patience_seconds, 0.0)
        failures = 0
        while again := [place for place, reply in enumerate(replies) if may_pass_later(reply)]:
            failures += 1
            pause = pause_seconds(failures, refusal(replies[again[0]]))
            left = deadline - self._ticks()
            if pause >= left:
                break
            try:
                told = yield from send([items[place] for place in again], left, pause)
            except Unavailable:
                break
            for place, reply in zip(again, told, strict=True):
                replies[place] = reply
        return replies

    def _batch(
        self, items: Sequence[BatchItem], patience_seconds: float, delay_seconds: float
    ) -> Steps[list[SubmitReply]]:
        body = codecs.to_msgpack(items)
        request = Request("POST", paths.JOBS, {}, body, codecs.MSGPACK, delay_seconds=delay_seconds)
        reply = yield from self._ask(request, patience_seconds)
        replies = _read(codecs.from_msgpack, reply, list[SubmitReply])
        return _for_all(items, replies)

    def _cancel_batch(
        self, ids: Sequence[str], patience_seconds: float, delay_seconds: float
    ) -> Steps[list[CancelReply]]:
        body = codecs.to_json(Cancel(ids=list(ids)))
        request = Request("POST", paths.CANCEL, {}, body, codecs.JSON, delay_seconds=delay_seconds)
        replies = yield from self._json(request, list[CancelReply], patience_seconds)
        return _for_all(ids, replies)

    def job(self, job_id: str) -> Steps[JobView]:
        """One job as it stands."""
        return (yield from self._json(Request("GET", _job_path(job_id)), JobView))

    def result(self, job_id: str, timeout_seconds: float | None) -> Steps[bytes]:
        """Wait for the job's value. Raises JobFailed, JobCancelled or WaitTimeout."""
        deadline = self._ticks() + (inf if timeout_seconds is None else timeout_seconds)
        delay = 0.0
        while True:
            left = max(deadline - self._ticks() - delay, 0.0)
            view = yield from self._poll(job_id, left, delay)
            value = _value(view)
            if value is not None:
                return value
            delay = BETWEEN_POLLS_SECONDS
            if self._ticks() + delay >= deadline:
                raise WaitTimeout(
                    f"Job {job_id} is {view.status}, {view.done} of {view.iterations} iterations "
                    f"done, after {timeout_seconds} s. It goes on; ask for its result again."
                )

    def _poll(self, job_id: str, left: float, delay: float) -> Steps[JobView]:
        wait = round(min(left, POLL_SECONDS), 3)
        request = Request(
            "GET",
            _job_path(job_id),
            {"wait": wait},
            delay_seconds=delay,
            timeout_seconds=wait + SILENCE_SECONDS,
        )
        patience = wait + min(self._patience_seconds, max(left - wait, LAST_LOOK_SECONDS))
        return (yield from self._json(request, JobView, patience))

    def cancel(self, job_id: str) -> Steps[None]:
        """End a running job."""
        yield from self._ask(Request("DELETE", _job_path(job_id)))

    def page(self, status: str | None, after: int | None) -> Steps[JobList]:
        """One page of the listing, newest first."""
        query = {"status": status, "after": after}
        given = {name: value for name, value in query.items() if value is not None}
        return (yield from self._json(Request("GET", paths.JOBS, given), JobList))

    def pull(self, top: int, receipt_seconds: float, wait_seconds: float) -> Steps[PulledBatch]:
        """Take finished results, latest first; with none there, go on asking for `wait_seconds`."""
        deadline = self._ticks() + wait_seconds
        query = {"top": top, "receipt_seconds": receipt_seconds}
        pause = 0.0
        while True:
            request = Request("POST", paths.RESULTS_PULL, query, delay_seconds=pause)
            pulled = yield from self._json(request, PulledResults)
            pause = min(pause * 2 or BETWEEN_POLLS_SECONDS, LONGEST_IDLE_SECONDS)
            if pulled.results or self._ticks() + pause >= deadline:
                return PulledBatch.of(pulled)

    def acknowledge(self, receipt: str, ids: Sequence[str] | None) -> Steps[int]:
        """Results of this receipt have arrived; says how many are now delivered for good."""
        body = Acknowledge(receipt=receipt, ids=None if ids is None else list(ids))
        request = Request("POST", paths.RESULTS_ACK, {}, codecs.to_json(body), codecs.JSON)
        return (yield from self._json(request, Acknowledged)).delivered

    def stats(self) -> Steps[StatsView]:
        """The service's counters."""
        return (yield from self._json(Request("GET", paths.STATS), StatsView))

    def nodes(self) -> Steps[list[Node]]:
        """The live processes of the service."""
        return (yield from self._json(Request("GET", paths.NODES), NodeList)).nodes

    def backup(self, file: Path) -> Steps[None]:
        """A complete copy of the store into `file`, which appears when it is whole."""
        look_at(file)
        yield from self._ask(
            Request("GET", paths.BACKUP, timeout_seconds=COPY_SECONDS, into=file),
            COPY_SECONDS + self._patience_seconds,
        )

    def restore(self, file: Path) -> Steps[None]:
        """Replace everything that the store holds by a backup."""
        yield from self._ask(
            Request("POST", paths.RESTORE, {}, file, OCTETS, timeout_seconds=COPY_SECONDS),
            COPY_SECONDS + self._patience_seconds,
        )

    def _json(
        self, request: Request, kind: type[T], patience_seconds: float | None = None
    ) -> Steps[T]:
        return _read(codecs.from_json, (yield from self._ask(request, patience_seconds)), kind)

    def _ask(self, request: Request, patience_seconds: float | None = None) -> Steps[bytes]:
        patience = self._patience_seconds if patience_seconds is None else patience_seconds
        reply = yield from retrying(request, patience, ticks=self._ticks)
        return reply.content


def _read(decode: Callable[[bytes, type[T]], T], content: bytes, kind: type[T]) -> T:
    """The message in a good reply. Something else than an endpoint may have given it."""
    try:
        return decode(content, kind)
    except InvalidInput as error:
        raise WorkmillError(
            f"The reply is not that of a Workmill endpoint: {content[:60]!r}. Whether anything was "
            "changed is not known. Check the URL, and that both sides are of one version."
        ) from error


def _for_all(asked: Sequence[object], replies: list[R]) -> list[R]:
    if len(replies) != len(asked):
        raise WorkmillError(f"{len(asked)} jobs were sent, {len(replies)} were answered.")
    return replies


def _job_path(job_id: str) -> str:
    return f"{paths.JOBS}/{id_text(parse_id(job_id))}"


def _value(view: JobView) -> bytes | None:
    """The value of a job that is done, None while it runs. Raises JobFailed or JobCancelled."""
    if view.status == "failed":
        raise JobFailed(f"Job {view.id} failed: {view.reason}. Nothing else was touched.")
    if view.status == "cancelled":
        raise JobCancelled(f"Job {view.id} was cancelled. Submit the work again if it is wanted.")
    return None if view.value is None else bytes.fromhex(view.value)
