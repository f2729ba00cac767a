"""Every call that this endpoint answers, in one table.

Dispatch, OpenAPI, the docs page and the metrics' labels are all made from it. What a call
does is said by its handler's docstring, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from workmill.domain import job as values
from workmill.endpoint import (
    batch,
    enqueue,
    events,
    files,
    health,
    jobs,
    nodes,
    pages,
    results,
    work,
)
from workmill.endpoint.http import Reply, Request
from workmill.endpoint.service import Service
from workmill.wire import codecs, messages, paths

Handler = Callable[[Service, Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, or the path's."""

    name: str
    text: str
    kind: Literal["integer", "number", "string"] = "integer"
    required: bool = False
    where: Literal["query", "path"] = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `path` ends in `/{id}` when its last part is the call's argument."""

    method: str
    path: str
    group: str
    handler: Handler
    parameters: tuple[Parameter, ...] = ()
    takes: Any = None
    takes_kind: str = codecs.MSGPACK
    gives: Any = None
    gives_kind: str = codecs.JSON
    problems: tuple[int, ...] = ()
    open: bool = False
    """Answered without a key."""
    head: bool = True
    """HEAD is answered as well, by the work of GET; false where that work is too much for it."""

    @property
    def text(self) -> str:
        """What the call does, in a sentence or two."""
        return " ".join((self.handler.__doc__ or "").split())


RAW: Final = "application/octet-stream"
_ITERATIONS = Parameter("iterations", "how often to hash: 1 to the configured cap", required=True)
_TOP = Parameter("top", "the most results wanted: 1 to 10000", required=True)
_WAIT = Parameter("wait", "seconds to wait for it: 0 to 30", "number")
_ID = Parameter("id", "the job's UUID", "string", required=True, where="path")
_JOB: Final = paths.JOBS + "/{id}"
_VERDICTS: Final = list[values.Verdict]


def _op(method: str, path: str, group: str, handler: Handler, **more: Any) -> Operation:
    return Operation(method=method, path=path, group=group, handler=handler, **more)


COMPATIBLE: Final = (
    _op(
        *("PUT", paths.ENQUEUE, "Compatible face", enqueue.enqueue),
        parameters=(_ITERATIONS,),
        takes=bytes,
        takes_kind=RAW,
        gives=messages.SubmitReply,
        problems=(408, 413, 422, 503),
    ),
    _op(
        *("POST", paths.PULL_COMPLETED, "Compatible face", results.pull_completed),
        parameters=(_TOP,),
        gives=list[messages.CompatibleResult],
        problems=(422, 503),
    ),
)
JOBS: Final = (
    _op(
        *("PUT", _JOB, "Jobs", enqueue.put_job),
        parameters=(
            _ID,
            _ITERATIONS,
            Parameter("priority", "-100 to 100, the greater first"),
            Parameter("workload", "what to compute; sha512 when left out", "string"),
        ),
        takes=bytes,
        takes_kind=RAW,
        gives=messages.SubmitReply,
        problems=(408, 409, 413, 422, 503),
    ),
    _op(
        *("POST", paths.JOBS, "Jobs", batch.post_jobs),
        takes=list[messages.BatchItem],
        gives=list[messages.SubmitReply],
        gives_kind=codecs.MSGPACK,
        problems=(408, 413, 422, 503),
    ),
    _op(
        *("POST", paths.CANCEL, "Jobs", jobs.cancel_jobs),
        takes=messages.Cancel,
        takes_kind=codecs.JSON,
        gives=list[messages.CancelReply],
        problems=(408, 413, 422, 503),
    ),
    _op(
        *("GET", _JOB, "Jobs", jobs.get_job),
        parameters=(_ID, _WAIT),
        gives=messages.JobView,
        problems=(404, 422, 503),
    ),
    _op(
        *("GET", paths.JOBS, "Jobs", jobs.list_jobs),
        parameters=(
            Parameter("status", "only jobs of this status", "string"),
            Parameter("after", "the cursor from the page before"),
            Parameter("limit", "jobs per page: 1 to 1000, 100 when left out"),
        ),
        gives=messages.JobList,
        problems=(422, 503),
    ),
    _op(
        *("DELETE", _JOB, "Jobs", jobs.cancel_job),
        parameters=(_ID,),
        gives=messages.JobView,
        problems=(404, 409, 422, 503),
    ),
)
RESULTS: Final = (
    _op(
        *("POST", paths.RESULTS_PULL, "Results", results.pull_results),
        parameters=(
            _TOP,
            Parameter("receipt_seconds", "how long the receipt holds; 60 when left out", "number"),
        ),
        gives=messages.PulledResults,
        problems=(422, 503),
    ),
    _op(
        *("POST", paths.RESULTS_ACK, "Results", results.acknowledge),
        takes=messages.Acknowledge,
        takes_kind=codecs.JSON,
        gives=messages.Acknowledged,
        problems=(413, 422, 503),
    ),
    _op(
        *("GET", paths.EVENTS, "Results", events.events),
        head=False,
        parameters=(Parameter("id", "a job to watch; may be repeated, up to 100", "string"),),
        gives=str,
        gives_kind="text/event-stream",
        problems=(422, 503),
    ),
)


def _work(path: str, handler: Handler, takes: Any, gives: Any, **more: Any) -> Operation:
    kind = codecs.MSGPACK
    known = {"takes": takes, "gives": gives, "gives_kind": kind, "problems": (422, 503)}
    return _op("POST", path, "Workers", handler, **known, **more)


WORK: Final = (
    _work(
        *(paths.WORK_LEASE, work.lease, values.LeaseRequest, list[values.Lease]),
        parameters=(_WAIT,),
    ),
    _work(paths.WORK_RENEW, work.renew, list[values.Renewal], _VERDICTS),
    _work(paths.WORK_COMPLETE, work.complete, list[values.Completion], _VERDICTS),
    _work(paths.WORK_FAIL, work.fail, list[values.Failure], _VERDICTS),
    _work(paths.WORK_RELEASE, work.release, list[values.Release], _VERDICTS),
    _work(paths.BEAT, nodes.beat, values.Node, None),
)
OPERATORS: Final = (
    _op("GET", paths.STATS, "Operators", nodes.stats, gives=messages.StatsView),
    _op("GET", paths.NODES, "Operators", nodes.nodes, gives=messages.NodeList),
    _op(
        *("POST", paths.LEAD, "Operators", nodes.lead),
        takes=values.Candidacy,
        takes_kind=codecs.JSON,
        gives=values.Leadership,
        problems=(413, 422, 503),
    ),
    _op(
        *("GET", paths.BACKUP, "Operators", files.backup),
        head=False,
        gives=bytes,
        gives_kind=RAW,
        problems=(503,),
    ),
    _op(
        *("POST", paths.RESTORE, "Operators", files.restore),
        takes=bytes,
        takes_kind=RAW,
        problems=(422, 503),
    ),
    _op("GET", paths.HEALTHZ, "Operators", health.healthz, gives=dict[str, str], open=True),
    _op(
        *("GET", paths.READYZ, "Operators", health.readyz),
        gives=messages.Readiness,
        problems=(503,),
        open=True,
    ),
    _op("GET", paths.METRICS, "Operators", health.metrics, gives=str, gives_kind="text/plain"),
)
PAGES: Final = (
    _op(
        *("GET", paths.OPENAPI, "Pages", pages.openapi),
        gives=dict[str, Any],
        open=True,
    ),
    _op("GET", paths.DOCS, "Pages", pages.docs, gives=str, gives_kind="text/html", open=True),
    _op("GET", paths.HOME, "Pages", pages.home, gives=str, gives_kind="text/html", open=True),
)
OPERATIONS: Final = COMPATIBLE + JOBS + RESULTS + WORK + OPERATORS + PAGES
