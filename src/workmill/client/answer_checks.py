"""Whether an answer fits its question. What does not is refused, and never handed on.

A connection that two processes share, a balancer that mixes up two requests, or a server that is
none of ours can give one caller what another asked for. So an answer about a job says which, and
is held to it; an answer to many has one for each, in order; nobody gives more than was asked; and
no job is what no job can be. What does not fit is no answer (`foreign_answers`): it is
asked for again.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Protocol, TypeVar

from workmill.client.foreign_answers import is_copy, no_answer, read_answer
from workmill.client.steps import Reply
from workmill.client.values import PulledBatch
from workmill.domain.errors import (
    EndpointUnreachable,
    JobCancelled,
    JobFailed,
    Unavailable,
    WaitTimeout,
)
from workmill.wire import codecs
from workmill.wire.messages import Acknowledged, JobList, JobView, PulledResults


class Named(Protocol):
    """An answer about one job."""

    @property
    def id(self) -> str: ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)


def json(kind: type[T], reply: Reply) -> T:
    """The message in a good reply. Something else than an endpoint may have given it."""
    return read_answer(reply, partial(codecs.from_json, kind=kind))


def msgpack(kind: type[T], reply: Reply) -> T:
    """The same, in MessagePack."""
    return read_answer(reply, partial(codecs.from_msgpack, kind=kind))


def done(reply: Reply) -> None:
    """Nothing but that it is done: any page of anybody's says more."""
    if reply.status != HTTPStatus.NO_CONTENT:
        raise no_answer(reply)


def copied(reply: Reply) -> None:
    """A copy of the store has come, as the transport took it for one."""
    if not is_copy(reply.status, reply.headers):
        raise no_answer(reply)


def about(job_id: str, reply: N) -> N:
    """The reply, when it is about this very job and its value can be one."""
    if reply.id != job_id:
        raise _misfit(f"Job {job_id} was asked for, and the reply is about {reply.id[:64]!r}")
    value = getattr(reply, "value", None)
    if value is not None:
        raw(job_id, value)
    return reply


def about_all(job_ids: list[str], replies: list[N]) -> list[N]:
    """The replies, when there is one about each of these jobs, in order."""
    if len(replies) != len(job_ids):
        raise _misfit(f"{len(job_ids)} jobs were sent, {len(replies)} were answered")
    if [reply.id for reply in replies] != job_ids:
        for job_id, reply in zip(job_ids, replies, strict=True):
            about(job_id, reply)
    for reply in replies:
        value = getattr(reply, "value", None)
        if value is not None:
            raw(reply.id, value)
    return replies


def raw(job_id: str, value: str) -> bytes:
    """The bytes of a value. Raises EndpointUnreachable when it holds none."""
    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if not found:
        raise _misfit(f"The value of job {job_id} is no value: {value[:60]!r}")
    return found


def view(job_id: str, seen: JobView) -> JobView:
    """A job as it can be, and this very one."""
    return possible(about(job_id, seen))


def possible(seen: JobView) -> JobView:
    """The view, when a job can be like that: a value is there once it is done, and not before."""
    if not 0 <= seen.done <= seen.iterations or seen.iterations < 1 or seen.attempts < 0:
        raise _misfit(
            f"Job {seen.id[:64]!r} has done {_shown(seen.done)} iterations of "
            f"{_shown(seen.iterations)}"
        )
    if (seen.status == "done") != (seen.value is not None):
        has = "no value" if seen.value is None else "a value"
        raise _misfit(f"Job {seen.id[:64]!r} is {seen.status[:64]!r}, and has {has}")
    return seen


def value_of(seen: JobView) -> bytes | None:
    """The value of a job that is done, None while it runs. Raises JobFailed or JobCancelled."""
    if seen.status == "failed":
        raise JobFailed(f"Job {seen.id} failed: {seen.reason}. Nothing else was touched.")
    if seen.status == "cancelled":
        raise JobCancelled(f"Job {seen.id} was cancelled. Submit the work again if it is wanted.")
    return None if seen.value is None else raw(seen.id, seen.value)


def pulled(top: int, reply: PulledResults) -> PulledBatch:
    """The results, when there are no more than were asked for, and a receipt for them."""
    if len(reply.results) > top or (reply.results and not reply.receipt):
        raise _misfit(
            f"{top} results were asked for, and the reply has {len(reply.results)}, or no receipt; "
            "results that nobody acknowledges come back"
        )
    for result in reply.results:
        raw(result.id[:64], result.value)
    return PulledBatch.of(reply)


def acknowledged(reply: Acknowledged) -> int:
    """How many are delivered."""
    if reply.delivered < 0:
        raise _misfit(f"{_shown(reply.delivered)} results are said to be delivered")
    return reply.delivered


def page_after(after: int | None, page: JobList) -> JobList:
    """The page, when the one behind it lies further back, and each job on it can be."""
    following = page.next_after
    if following is not None and after is not None and following >= after:
        raise _misfit("The page that is said to follow does not lie behind this one")
    for seen in page.jobs:
        possible(seen)
    return page


def _misfit(why: str) -> EndpointUnreachable:
    return EndpointUnreachable(
        f"{why}. It is not used. Whether anything was changed is not known; it may be repeated. "
        "Check the URL, and see what stands there: no endpoint of Workmill answers like that."
    )


def _shown(number: int) -> str:
    """A number that may have more digits than can be written."""
    return str(number) if abs(number) < 10**20 else f"over {'-' * (number < 0)}10**20"


def time_is_up(
    view: JobView, after_seconds: float | None, unanswered: Unavailable | None = None
) -> WaitTimeout:
    """What ends a wait whose time is up, by the last answer, and what its last look met instead."""
    seen = (
        "" if unanswered is None else f" when it was last seen; then no answer came ({unanswered})"
    )
    return WaitTimeout(
        f"Job {view.id} is {view.status}, {view.done} of {view.iterations} iterations done, after "
        f"{after_seconds} s{seen}. It goes on; ask for its result again."
    )
