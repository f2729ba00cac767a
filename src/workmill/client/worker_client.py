"""The worker's face of an endpoint: one attempt each, no retry.

A worker knows better than any policy how long to insist: a lease can be asked for again by and
by, a renewal must be made anew from the latest checkpoint, a result is offered for ever. So
each call here is one attempt, and raises what `Transport.ask` raises. An
answer that does not fit its question is no answer: verdicts belong to words by their order alone,
so there must be as many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from workmill.client import answer_checks
from workmill.client.foreign_answers import no_answer
from workmill.client.steps import SILENCE_SECONDS, Reply, Request
from workmill.client.sync_transport import Transport
from workmill.domain.job import (
    Completion,
    Failure,
    Lease,
    LeaseRequest,
    Node,
    Release,
    Renewal,
    Verdict,
)
from workmill.domain.limits import MAX_BODY_BYTES, MAX_LEASE_JOBS
from workmill.wire import codecs, paths

T = TypeVar("T")

ALIVE_SECONDS: Final = 4.0
"""How long a renewal or a beat bears silence: there must be time for another endpoint."""
BODY_BYTES: Final = MAX_BODY_BYTES // 2
"""The most that goes into one request: states may be large, and endpoints bound what they read."""


class WorkClient:
    """Lease work and account for it. Threads may share one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def lease(self, request: LeaseRequest, wait_seconds: float) -> list[Lease]:
        """Work, as soon as there is some; nothing when there was none for `wait_seconds`."""
        query = {"wait": wait_seconds}
        silence = wait_seconds + SILENCE_SECONDS
        body = codecs.to_msgpack(request)
        return self._post(paths.WORK_LEASE, body, _leases, silence, query)

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        """Keep these leases, and note their checkpoints."""
        return self._verdicts(paths.WORK_RENEW, renewals, ALIVE_SECONDS)

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        """Hand in results."""
        return self._verdicts(paths.WORK_COMPLETE, completions)

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        """Report attempts that failed."""
        return self._verdicts(paths.WORK_FAIL, failures)

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        """Hand jobs back unfinished, with their checkpoints."""
        return self._verdicts(paths.WORK_RELEASE, releases)

    def beat(self, node: Node) -> None:
        """Say that this process is alive."""
        self._post(paths.BEAT, codecs.to_msgpack(node), answer_checks.done, ALIVE_SECONDS)

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def _verdicts(
        self, path: str, items: Sequence[object], silence_seconds: float = SILENCE_SECONDS
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for words, body in _bodies(items):
            verdicts += self._post(path, body, partial(_said, words), silence_seconds)
        return verdicts

    def _post(
        self,
        path: str,
        body: bytes,
        reads: Callable[[Reply], T],
        silence_seconds: float,
        query: Mapping[str, float] | None = None,
    ) -> T:
        request = Request(
            "POST",
            path,
            query=query or {},
            content=body,
            content_type=codecs.MSGPACK,
            timeout_seconds=silence_seconds,
        )
        return self._transport.ask(request, reads)


def _leases(reply: Reply) -> list[Lease]:
    leases = answer_checks.msgpack(list[Lease], reply)
    if len(leases) > MAX_LEASE_JOBS:
        raise no_answer(reply)
    return leases


def _said(words: int, reply: Reply) -> list[Verdict]:
    """A verdict on each word."""
    said = answer_checks.msgpack(list[Verdict], reply)
    if len(said) != words:
        raise no_answer(reply)
    return said


def _bodies(items: Sequence[object]) -> Iterator[tuple[int, bytes]]:
    """The items in order, in bodies that one request may carry, each with their number in it;
    nearly always that is one."""
    if not items:
        return
    body = codecs.to_msgpack(items)
    if len(items) == 1 or (len(items) <= MAX_LEASE_JOBS and len(body) <= BODY_BYTES):
        yield len(items), body
    else:
        half = len(items) // 2
        yield from _bodies(items[:half])
        yield from _bodies(items[half:])
