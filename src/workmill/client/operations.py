"""Every operation of the client as `core.Steps`: what is asked, and what the answer means.

Both clients carry these out; nothing about the HTTP face is known anywhere else in this room.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from os import PathLike
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from workmill.client import answer_checks, arguments
from workmill.client.batches import (
    Prepared,
    chosen_id,
    id_to_show,
    iterations_of,
    priority_of,
    refused,
)
from workmill.client.download import look_at
from workmill.client.exchange_bounds import REPLY_BYTES
from workmill.client.handles import may_pass_later, refusal
from workmill.client.payload import payload
from workmill.client.poll_bound import Polls
from workmill.client.retries import LONGEST_PAUSE_SECONDS, Ticks, pause_seconds, retrying
from workmill.client.steps import SILENCE_SECONDS, Reply, Request, Steps
from workmill.client.upload import Heard, Source, unheard
from workmill.client.values import Data, PulledBatch, Work
from workmill.domain.errors import (
    Conflict,
    InvalidInput,
    Unavailable,
    WorkmillError,
)
from workmill.domain.job import Node
from workmill.domain.limits import MAX_PULL_RESULTS
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
U = TypeVar("U")
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
TIDY_SECONDS: Final = 1.0
"""How long whoever leaves early tries to say what has arrived."""
COPY_SECONDS: Final = 600.0
"""The longest silence while an endpoint copies its whole store."""

SENT_ONCE_SECONDS: Final = 0.0
"""The patience of what may not be repeated."""

RESULT_BYTES: Final = 9 * 1024
"""The most that one result takes in a reply: a state of 4096 bytes as hex, and its id."""


class Operations:
    """The operations of one client, each tried for `patience_seconds` when the service is away."""

    def __init__(self, patience_seconds: float, ticks: Ticks = time.monotonic) -> None:
        self._patience_seconds = arguments.seconds_given(patience_seconds, "timeout_seconds")
        self._ticks = ticks
        self._polls = Polls()

    def submit(
        self,
        data: Data,
        iterations: int,
        job_id: str | UUID | None,
        priority: int,
        workload: str,
        heard: Heard = unheard,
    ) -> Steps[SubmitReply]:
        """Send one job's data whole; a file is streamed, and `heard` how far."""
        query: dict[str, str | int | float] = {"iterations": iterations_of(iterations)}
        query |= {
            "priority": priority_of(priority),
            "workload": arguments.name(workload, "workload"),
        }
        chosen = chosen_id(job_id)
        body = payload(data, heard)
        request = Request("PUT", f"{paths.JOBS}/{chosen}", query, body, codecs.OCTETS)

        def fits(reply: SubmitReply) -> SubmitReply:
            return answer_checks.about(chosen, reply)

        return (yield from self._json(request, SubmitReply, fits))

    def submit_alone(self, work: Work, workload: str) -> Steps[SubmitReply]:
        """Send one item of many by itself, as it is read. Its refusal is an answer."""
        job_id = id_to_show(work.id)
        try:
            return (
                yield from self.submit(work.data, work.iterations, job_id, work.priority, workload)
            )
        except Exception as error:
            if isinstance(error, WorkmillError) and not isinstance(error, (InvalidInput, Conflict)):
                raise
            return refused(job_id, error)

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
        ids = [item.id or "" for item in items]

        def reads(reply: Reply) -> list[SubmitReply]:
            return answer_checks.about_all(ids, answer_checks.msgpack(list[SubmitReply], reply))

        return (yield from self._ask(request, reads, patience_seconds))

    def _cancel_batch(
        self, ids: Sequence[str], patience_seconds: float, delay_seconds: float
    ) -> Steps[list[CancelReply]]:
        body = codecs.to_json(Cancel(ids=list(ids)))
        request = Request("POST", paths.CANCEL, {}, body, codecs.JSON, delay_seconds=delay_seconds)
        fits = partial(answer_checks.about_all, list(ids))
        return (yield from self._json(request, list[CancelReply], fits, patience_seconds))

    def cancel_some(self, ids: Sequence[object]) -> Steps[list[CancelReply]]:
        """End these jobs in one request. What is no id is answered here, in its place."""
        replies = [_unfit(job_id) for job_id in ids]
        fit = [(place, reply.id) for place, reply in enumerate(replies) if reply.problem is None]
        if fit:
            told = yield from self.cancel_batch([job_id for _, job_id in fit])
            for (place, _), reply in zip(fit, told, strict=True):
                replies[place] = reply
        return replies

    def submit_some(self, items: Sequence[Prepared]) -> Steps[list[SubmitReply]]:
        """Send those of a batch that may be sent; the others stay refused, in their places."""
        fit = [item for item in items if isinstance(item, BatchItem)]
        replies = (yield from self.submit_batch(fit)) if fit else []
        if len(fit) == len(items):
            return replies
        told = iter(replies)
        return [next(told) if isinstance(item, BatchItem) else item for item in items]

    def job(self, job_id: str | UUID) -> Steps[JobView]:
        """One job as it stands."""
        asked = arguments.job_id(job_id)
        fits = partial(answer_checks.view, asked)
        return (yield from self._json(Request("GET", f"{paths.JOBS}/{asked}"), JobView, fits))

    def result(self, job_id: str | UUID, timeout_seconds: float | None) -> Steps[bytes]:
        """Wait for the job's value. Raises JobFailed, JobCancelled or WaitTimeout."""
        asked = arguments.job_id(job_id)
        deadline = self._ticks() + arguments.patience(timeout_seconds)
        due, wait, delay, view = deadline, object(), 0.0, None
        try:
            while True:
                try:
                    view, pause = yield from self._look(asked, wait, deadline, delay)
                except Unavailable as error:
                    left = deadline - self._ticks()
                    if view is None or error.lasting or not self._is_cut_short(due, left):
                        raise
                    if left <= BETWEEN_POLLS_SECONDS:
                        raise answer_checks.time_is_up(view, timeout_seconds, error) from error
                    delay = left
                    continue
                value = answer_checks.value_of(view)
                if value is not None:
                    return value
                left = deadline - self._ticks()
                if left <= BETWEEN_POLLS_SECONDS:
                    raise answer_checks.time_is_up(view, timeout_seconds)
                delay = min(pause, left)
                due = min(deadline, self._ticks() + delay + POLL_SECONDS)
        finally:
            self._polls.leave(wait)

    def _is_cut_short(self, due: float, left: float) -> bool:
        """Whether looks that had an answer due then failed for want of time in their wait: one that
        found no turn among this client's own calls, or was given less than an endpoint may be
        silent for, says nothing about the endpoint."""
        return left <= LONGEST_PAUSE_SECONDS and self._ticks() - due <= SILENCE_SECONDS

    def _look(
        self, job_id: str, wait: object, deadline: float, delay: float
    ) -> Steps[tuple[JobView, float]]:
        """One look at a job, as long as there is time and a place to wait in; and how long to hold
        back before the next."""
        left = max(deadline - self._ticks() - delay, 0.0)
        place = self._polls.take(wait)
        if place is None:
            view = yield from self._poll(job_id, 0.0, left, delay)
            return view, self._polls.pause_seconds()
        try:
            view = yield from self._poll(job_id, round(min(left, POLL_SECONDS), 3), left, delay)
            return view, BETWEEN_POLLS_SECONDS
        finally:
            self._polls.give(place)

    def _poll(self, job_id: str, wait: float, left: float, delay: float) -> Steps[JobView]:
        request = Request(
            "GET",
            f"{paths.JOBS}/{job_id}",
            {"wait": wait},
            delay_seconds=delay,
            timeout_seconds=wait + SILENCE_SECONDS,
        )
        patience = delay + wait + min(self._patience_seconds, max(left - wait, LAST_LOOK_SECONDS))
        fits = partial(answer_checks.view, job_id)
        return (yield from self._json(request, JobView, fits, patience))

    def cancel(self, job_id: str | UUID) -> Steps[None]:
        """End a running job."""
        asked = arguments.job_id(job_id)
        fits = partial(answer_checks.view, asked)
        yield from self._json(Request("DELETE", f"{paths.JOBS}/{asked}"), JobView, fits)

    def page(self, status: str | None, after: int | None) -> Steps[JobList]:
        """One page of the listing, newest first."""
        named = None if status is None else arguments.name(status, "status")
        query = {"status": named, "after": after}
        given = {name: value for name, value in query.items() if value is not None}
        fits = partial(answer_checks.page_after, after)
        return (yield from self._json(Request("GET", paths.JOBS, given), JobList, fits))

    def pull(self, top: int, receipt_seconds: float, wait_seconds: float) -> Steps[PulledBatch]:
        """Take finished results, latest first; with none there, go on asking for `wait_seconds`."""
        top = arguments.whole(top, "top", 1, MAX_PULL_RESULTS)
        receipt_seconds = arguments.seconds_sent(receipt_seconds, "receipt_seconds")
        deadline = self._ticks() + arguments.seconds(wait_seconds, "wait_seconds")
        query = {"top": top, "receipt_seconds": receipt_seconds}
        most_bytes = REPLY_BYTES + top * RESULT_BYTES
        pause = 0.0
        while True:
            request = Request(
                "POST", paths.RESULTS_PULL, query, delay_seconds=pause, most_bytes=most_bytes
            )
            batch = yield from self._json(
                request, PulledResults, partial(answer_checks.pulled, top)
            )
            pause = min(pause * 2 or BETWEEN_POLLS_SECONDS, LONGEST_IDLE_SECONDS)
            if batch or self._ticks() + pause >= deadline:
                return batch

    def acknowledge(
        self,
        batch: PulledBatch | str,
        ids: Iterable[str | UUID] | None,
        patience_seconds: float | None = None,
    ) -> Steps[int]:
        """Results of this receipt have arrived; says how many are now delivered for good."""
        named = None if ids is None else list(map(arguments.job_id, arguments.several(ids, "ids")))
        receipt = batch.receipt if isinstance(batch, PulledBatch) else batch
        if receipt is None and isinstance(batch, PulledBatch):
            return 0
        body = Acknowledge(receipt=arguments.receipt(receipt), ids=named)
        request = Request("POST", paths.RESULTS_ACK, {}, codecs.to_json(body), codecs.JSON)
        fits = answer_checks.acknowledged
        return (yield from self._json(request, Acknowledged, fits, patience_seconds))

    def stats(self) -> Steps[StatsView]:
        """The service's counters."""
        return (yield from self._json(Request("GET", paths.STATS), StatsView, _as_it_is))

    def nodes(self) -> Steps[list[Node]]:
        """The live processes of the service."""
        return (yield from self._json(Request("GET", paths.NODES), NodeList, _as_it_is)).nodes

    def backup(self, file: str | PathLike[str]) -> Steps[None]:
        """A complete copy of the store into `file`, which appears when it is whole."""
        target = arguments.path(file)
        look_at(target)
        yield from self._ask(
            Request("GET", paths.BACKUP, timeout_seconds=COPY_SECONDS, into=target),
            answer_checks.copied,
            full_silence=True,
        )

    def restore(self, file: str | PathLike[str]) -> Steps[None]:
        """Replace everything that the store holds by a backup. It is sent once: a second time,
        after a reply that was lost, would take away what others have submitted since the first."""
        yield from self._ask(
            Request(
                *("POST", paths.RESTORE, {}, Source(arguments.path(file)), codecs.OCTETS),
                timeout_seconds=COPY_SECONDS,
            ),
            answer_checks.done,
            SENT_ONCE_SECONDS,
            full_silence=True,
        )

    def _json(
        self,
        request: Request,
        kind: type[T],
        fits: Callable[[T], U],
        patience_seconds: float | None = None,
    ) -> Steps[U]:
        """The message in the reply, as `fits` gives it, which refuses what is no answer to this."""

        def reads(reply: Reply) -> U:
            return fits(answer_checks.json(kind, reply))

        return (yield from self._ask(request, reads, patience_seconds))

    def _ask(
        self,
        request: Request,
        reads: Callable[[Reply], T],
        patience_seconds: float | None = None,
        *,
        full_silence: bool = False,
    ) -> Steps[T]:
        patience = self._patience_seconds if patience_seconds is None else patience_seconds
        return (
            yield from retrying(
                *(request, patience, reads), ticks=self._ticks, full_silence=full_silence
            )
        )


def _as_it_is(message: T) -> T:
    return message


def _unfit(job_id: object) -> CancelReply:
    """The refusal of what is no id; otherwise a reply that has the id as it travels."""
    try:
        return CancelReply(id=arguments.job_id(job_id))
    except InvalidInput as error:
        told = id_to_show(job_id)
        return CancelReply(id=told, status="refused", problem=str(error), slug=error.slug)
