"""Every call that this endpoint answers, in one table.

Dispatch, OpenAPI, the docs page and the metrics' labels are all made from it. What a call
does is said by its handler's docstring, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from workmill.domain import job as values
from workmill.endpoint import (
    backup,
    batch_submit,
    controller_api,
    event_stream,
    html_pages,
    jobs,
    probes,
    query_params,
    results,
    submit,
    worker_api,
)
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.query_params import Parameter
from workmill.wire import codecs, heartbeats, messages, paths

Handler = Callable[[Service, Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `path` ends in `/{id}` when its last part is the call's argument."""

    method: str
    path: str
    group: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    takes: Any = None
    """What its body is decoded into, or `bytes`."""
    takes_kinds: tuple[str, ...] = (codecs.MSGPACK,)
    gives: Any = None
    gives_kinds: tuple[str, ...] = (codecs.JSON,)
    refuses: tuple[int, ...] = ()
    """Statuses beyond those that follow from its method, its parameters and its body."""
    open: bool = False
    """Answered without a key."""
    head: bool = True
    """HEAD is answered as well, by the work of GET; false where that work is too much for it."""

    @property
    def text(self) -> str:
        """What the call does, in a sentence or two."""
        return " ".join((self.handler.__doc__ or "").split())

    @property
    def problems(self) -> tuple[int, ...]:
        """Every status by which it may refuse or fail."""
        statuses = {500, *self.refuses}
        statuses |= set() if self.open else {401}
        statuses |= set() if self.method == "GET" else {403}
        statuses |= {422} if self.parameters or self.takes else set()
        statuses |= {408, 413} if self.takes else set()
        return tuple(sorted(statuses))


RAW: Final = "application/octet-stream"
FORM: Final = "multipart/form-data"
EVENT_STREAM: Final = "text/event-stream"
_JOB: Final = paths.JOBS + "/{id}"
_VERDICTS: Final = list[values.Verdict]


def _op(method: str, path: str, group: str, handler: Handler, **more: Any) -> Operation:
    return Operation(method=method, path=path, group=group, handler=handler, **more)


COMPATIBLE: Final = (
    _op(
        *("PUT", paths.ENQUEUE, "Compatible face", submit.enqueue),
        parameters=(query_params.ITERATIONS,),
        takes=bytes,
        takes_kinds=(RAW, FORM),
        gives=messages.SubmitReply,
        refuses=(503,),
    ),
    _op(
        *("POST", paths.PULL_COMPLETED, "Compatible face", results.pull_completed),
        parameters=(query_params.TOP,),
        gives=list[messages.CompatibleResult],
        refuses=(503,),
    ),
)
JOBS: Final = (
    _op(
        *("PUT", _JOB, "Jobs", submit.put_job),
        parameters=(
            query_params.JOB_ID,
            query_params.ITERATIONS,
            query_params.PRIORITY,
            query_params.WORKLOAD,
        ),
        takes=bytes,
        takes_kinds=(RAW, FORM),
        gives=messages.SubmitReply,
        refuses=(404, 409, 503),
    ),
    _op(
        *("POST", paths.JOBS, "Jobs", batch_submit.post_jobs),
        takes=batch_submit.Batch,
        takes_kinds=(codecs.MSGPACK, codecs.NDJSON),
        gives=list[messages.SubmitReply],
        gives_kinds=(codecs.MSGPACK, codecs.NDJSON),
        refuses=(503,),
    ),
    _op(
        *("POST", paths.CANCEL, "Jobs", jobs.cancel_jobs),
        takes=messages.Cancel,
        takes_kinds=(codecs.JSON,),
        gives=list[messages.CancelReply],
        refuses=(503,),
    ),
    _op(
        *("GET", _JOB, "Jobs", jobs.get_job),
        parameters=(query_params.JOB_ID, query_params.WAIT),
        gives=messages.JobView,
        refuses=(404, 503),
    ),
    _op(
        *("GET", paths.JOBS, "Jobs", jobs.list_jobs),
        parameters=(
            query_params.STATUS,
            query_params.AFTER,
            query_params.LIMIT,
        ),
        gives=messages.JobList,
        refuses=(503,),
    ),
    _op(
        *("DELETE", _JOB, "Jobs", jobs.cancel_job),
        parameters=(query_params.JOB_ID,),
        gives=messages.JobView,
        refuses=(404, 409, 503),
    ),
)
RESULTS: Final = (
    _op(
        *("POST", paths.RESULTS_PULL, "Results", results.pull_results),
        parameters=(
            query_params.TOP,
            query_params.RECEIPT,
        ),
        gives=messages.PulledResults,
        refuses=(503,),
    ),
    _op(
        *("POST", paths.RESULTS_ACK, "Results", results.acknowledge),
        takes=messages.Acknowledge,
        takes_kinds=(codecs.JSON,),
        gives=messages.Acknowledged,
        refuses=(503,),
    ),
    _op(
        *("GET", paths.EVENTS, "Results", event_stream.events),
        head=False,
        parameters=(query_params.WATCHED,),
        gives=str,
        gives_kinds=(EVENT_STREAM,),
        refuses=(503,),
    ),
)


def _work(path: str, handler: Handler, takes: Any, gives: Any, **more: Any) -> Operation:
    kinds = (codecs.MSGPACK,)
    known = {"takes": takes, "gives": gives, "gives_kinds": kinds, "refuses": (503,)}
    return _op("POST", path, "Workers", handler, **known, **more)


WORK: Final = (
    _work(
        *(paths.WORK_LEASE, worker_api.lease, values.LeaseRequest, list[values.Lease]),
        parameters=(query_params.WAIT,),
    ),
    _work(paths.WORK_RENEW, worker_api.renew, list[values.Renewal], _VERDICTS),
    _work(paths.WORK_COMPLETE, worker_api.complete, list[values.Completion], _VERDICTS),
    _work(paths.WORK_FAIL, worker_api.fail, list[values.Failure], _VERDICTS),
    _work(paths.WORK_RELEASE, worker_api.release, list[values.Release], _VERDICTS),
    _work(paths.BEAT, controller_api.beat, heartbeats.BeatBody, None),
)
OPERATORS: Final = (
    _op(
        *("GET", paths.STATS, "Operators", controller_api.stats),
        gives=messages.StatsView,
        refuses=(503,),
    ),
    _op(
        *("GET", paths.NODES, "Operators", controller_api.nodes),
        gives=messages.NodeList,
        refuses=(503,),
    ),
    _op(
        *("POST", paths.LEAD, "Operators", controller_api.lead),
        takes=values.Candidacy,
        takes_kinds=(codecs.JSON,),
        gives=values.Leadership,
        refuses=(503,),
    ),
    _op(
        *("GET", paths.BACKUP, "Operators", backup.backup),
        head=False,
        gives=bytes,
        gives_kinds=(RAW,),
        refuses=(503,),
    ),
    _op(
        *("POST", paths.RESTORE, "Operators", backup.restore),
        takes=bytes,
        takes_kinds=(RAW,),
        refuses=(503,),
    ),
    _op("GET", paths.HEALTHZ, "Operators", probes.healthz, gives=dict[str, str], open=True),
    _op(
        *("GET", paths.READYZ, "Operators", probes.readyz),
        gives=messages.Readiness,
        refuses=(503,),
        open=True,
    ),
    _op("GET", paths.METRICS, "Operators", probes.metrics, gives=str, gives_kinds=("text/plain",)),
)
PAGES: Final = (
    _op(
        *("GET", paths.OPENAPI, "Pages", html_pages.openapi),
        gives=dict[str, Any],
        open=True,
    ),
    _op(
        "GET",
        paths.DOCS,
        "Pages",
        html_pages.docs,
        gives=str,
        gives_kinds=("text/html",),
        open=True,
    ),
    _op(
        "GET",
        paths.HOME,
        "Pages",
        html_pages.home,
        gives=str,
        gives_kinds=("text/html",),
        open=True,
    ),
)
OPERATIONS: Final = COMPATIBLE + JOBS + RESULTS + WORK + OPERATORS + PAGES
