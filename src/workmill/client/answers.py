"""Whether an answer fits its question. What does not is refused, and never handed on.

A connection that two processes share, a balancer that mixes up two requests, or a server that is
none of ours can give one caller what another asked for. So an answer about a job says which, and
is held to it; an answer to many has one for each, in order; and nobody gives more than was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from workmill.client.values import PulledBatch
from workmill.domain.errors import InvalidInput, JobCancelled, JobFailed, WorkmillError
from workmill.wire.messages import JobList, JobView, PulledResults


class Named(Protocol):
    """An answer about one job."""

    @property
    def id(self) -> str: ...


T = TypeVar("T")
N = TypeVar("N", bound=Named)


def read(decode: Callable[[bytes, type[T]], T], content: bytes, kind: type[T]) -> T:
    """The message in a good reply. Something else than an endpoint may have given it."""
    try:
        return decode(content, kind)
    except InvalidInput as error:
        raise WorkmillError(
            f"The reply is not that of a Workmill endpoint: {content[:60]!r}. Whether anything was "
            "changed is not known. Check the URL, and that both sides are of one version."
        ) from error


def about(job_id: str, reply: N) -> N:
    """The reply, when it is about this very job and its value can be one."""
    if reply.id != job_id:
        raise WorkmillError(
            f"Job {job_id} was asked for, and the reply is about {reply.id[:64]!r}. It is not "
            "used. Whether anything was changed is not known; it may be repeated."
        )
    value = getattr(reply, "value", None)
    if value is not None:
        raw(job_id, value)
    return reply


def about_all(job_ids: list[str], replies: list[N]) -> list[N]:
    """The replies, when there is one about each of these jobs, in order."""
    if len(replies) != len(job_ids):
        raise WorkmillError(
            f"{len(job_ids)} jobs were sent, {len(replies)} were answered. Which of them were "
            "taken is not known; it may be repeated."
        )
    if [reply.id for reply in replies] != job_ids:
        for job_id, reply in zip(job_ids, replies, strict=True):
            about(job_id, reply)
    for reply in replies:
        value = getattr(reply, "value", None)
        if value is not None:
            raw(reply.id, value)
    return replies


def raw(job_id: str, value: str) -> bytes:
    """The bytes of a value. Raises WorkmillError when it holds none."""
    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if not found:
        raise WorkmillError(
            f"The value of job {job_id} is no value: {value[:60]!r}. It is not used. Check the URL."
        )
    return found


def value_of(view: JobView) -> bytes | None:
    """The value of a job that is done, None while it runs. Raises JobFailed or JobCancelled."""
    if view.status == "failed":
        raise JobFailed(f"Job {view.id} failed: {view.reason}. Nothing else was touched.")
    if view.status == "cancelled":
        raise JobCancelled(f"Job {view.id} was cancelled. Submit the work again if it is wanted.")
    if view.status == "done" and view.value is None:
        raise WorkmillError(f"Job {view.id} is done, and the reply has no value. Check the URL.")
    return None if view.value is None else raw(view.id, view.value)


def pulled(top: int, reply: PulledResults) -> PulledBatch:
    """The results, when there are no more than were asked for, and a receipt for them."""
    if len(reply.results) > top or (reply.results and not reply.receipt):
        raise WorkmillError(
            f"{top} results were asked for, and the reply has {len(reply.results)}, or no receipt. "
            "It is not used: results that nobody acknowledges come back. Check the URL."
        )
    for result in reply.results:
        raw(result.id[:64], result.value)
    return PulledBatch.of(reply)


def page_after(after: int | None, page: JobList) -> JobList:
    """The page, when the one behind it lies further back."""
    following = page.next_after
    if following is not None and following == after:
        raise WorkmillError("The reply names the same page again. Check the URL.")
    return page
