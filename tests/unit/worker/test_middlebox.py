"""Something between a worker and its endpoint answers in the endpoint's place, and then no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

import httpx
import pytest
from tests.unit.worker.conftest import TEST_SECONDS, Desk, Running, lease_of

from workmill.client.key_file import KeyFileTransport
from workmill.client.sync_transport import Transport
from workmill.client.worker_client import WorkClient
from workmill.domain.errors import (
    BodyTimeout,
    EndpointUnreachable,
    InvalidInput,
    MalformedRequest,
    MethodNotAllowed,
    NotAuthorized,
    NotFound,
    WorkmillError,
)
from workmill.domain.job import Completion, Failure, LeaseRequest, Node, Release, Renewal
from workmill.endpoint.problem_details import problem_of
from workmill.wire import codecs, paths
from workmill.worker.settings import WorkerSettings

Answer: TypeAlias = Callable[[httpx.Request], httpx.Response | None]
"""What stands between says this; None lets the request through to the endpoint."""

ENDLESS = 10**9


def through(_request: httpx.Request) -> None:
    """Nothing stands between."""


class Path:
    """The way to a desk over HTTP, and what stands in it: `between`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.between: Answer = through
        self.changed = threading.Condition()
        self.met: dict[str, int] = {}
        """How many requests to each path did not get through since `stand_between`."""

    def stand_between(self, between: Answer) -> None:
        with self.changed:
            self.between, self.met = between, {}

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, TEST_SECONDS), (
                f"it never came to that: {self.met}"
            )

    def handle(self, request: httpx.Request) -> httpx.Response:
        answer = self.between(request)
        with self.changed:
            if answer is not None:
                self.met[request.url.path] = self.met.get(request.url.path, 0) + 1
                self.changed.notify_all()
                return answer
        try:
            return self._serve(request)
        except EndpointUnreachable as error:
            raise httpx.ConnectError(str(error)) from error

    def _serve(self, request: httpx.Request) -> httpx.Response:
        desk, body = self.desk, request.content
        match request.url.path:
            case paths.WORK_LEASE:
                said: object = desk.lease(codecs.from_msgpack(body, LeaseRequest), 0.1)
            case paths.WORK_RENEW:
                said = desk.renew(codecs.from_msgpack(body, list[Renewal]))
            case paths.WORK_COMPLETE:
                said = desk.complete(codecs.from_msgpack(body, list[Completion]))
            case paths.WORK_FAIL:
                said = desk.fail(codecs.from_msgpack(body, list[Failure]))
            case paths.WORK_RELEASE:
                said = desk.release(codecs.from_msgpack(body, list[Release]))
            case _:
                desk.beat(codecs.from_msgpack(body, Node))
                return httpx.Response(204)
        return httpx.Response(200, content=codecs.to_msgpack(said))


@pytest.fixture
def way(desk: Desk) -> Path:
    return Path(desk)


Run: TypeAlias = Callable[..., Running]


@pytest.fixture
def run(way: Path, mills: None) -> Iterator[Run]:  # noqa: ARG001
    """Start a worker whose endpoint is the desk at the end of the way."""
    started: list[Running] = []

    def run_one(
        *, read_key: Callable[[], str | None] | None = None, drain_seconds: float = 50.0
    ) -> Running:
        settings = WorkerSettings(
            urls=("http://mill",),
            read_key=read_key,
            checkpoint_seconds=0.05,
            slice_seconds=0.02,
            drain_seconds=drain_seconds,
        )
        network = httpx.MockTransport(way.handle)
        transport = (
            KeyFileTransport("http://mill", read_key, through=network)
            if read_key
            else Transport("http://mill", through=network)
        )
        started.append(Running(settings, WorkClient(transport)))
        return started[-1]

    yield run_one
    way.stand_between(through)
    for running in started:
        running.stop()


def page(status: int, content: bytes = b"<html>a page</html>", **headers: str) -> Answer:
    """A stranger's answer to everything."""
    return lambda _: httpx.Response(
        status, content=content, headers={"content-type": "text/html", **headers}
    )


def problem(error: WorkmillError) -> Answer:
    """An endpoint's own refusal of everything."""
    return lambda _: httpx.Response(
        error.status,
        content=codecs.to_json(problem_of(error)),
        headers={"content-type": codecs.PROBLEM},
    )


REFUSALS = (400, 401, 403, 404, 405, 408, 411, 413, 421, 425, 429, 451, 500, 502, 503)
STRANGERS = {
    **{str(status): page(status) for status in REFUSALS},
    "moved": page(301, location="http://elsewhere/"),
    "redirected": page(307, b"", location="/login"),
    "a page": page(200),
    "nothing": page(200, b""),
    "204": page(204, b""),
    "garbage": page(200, b"\xdd\xff\xff\xff\xff"),
    "another service's problem": page(
        404, b'{"type":"about:blank","title":"Not Found","status":404}'
    ),
    "wait for ever": page(503, b"", **{"retry-after": "9" * 400}),
}


@pytest.mark.parametrize("between", STRANGERS.values(), ids=STRANGERS)
def test_what_a_stranger_says_is_an_outage_and_no_verdict(
    way: Path, desk: Desk, run: Run, between: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever answers in an endpoint's place for a while, the worker goes on with what it has,
    delivers it when the way is free again, and computes what comes after."""
    monkeypatch.setattr("workmill.worker.outage_retry.LONGEST_PAUSE_SECONDS", 0.05)
    before, after = lease_of(b"slow", 200), lease_of(b"later", 5)
    desk.put(before)
    running = run()
    desk.wait_for(lambda: desk.renewed)
    way.stand_between(between)
    way.wait_for(lambda: max(way.met.values(), default=0) >= 3 and paths.WORK_LEASE in way.met)
    desk.put(after)
    way.stand_between(through)
    desk.wait_for(lambda: desk.completed.keys() >= {before.id, after.id})
    assert running.error is None
    assert desk.failed == {}


@pytest.mark.parametrize(
    "error", [MalformedRequest(), BodyTimeout(), WorkmillError()], ids=lambda one: one.slug
)
def test_a_request_that_was_hurt_on_its_way_is_made_again(
    way: Path, desk: Desk, run: Run, error: WorkmillError
) -> None:
    """An endpoint that got half a request refuses that one, not its worker; nor is a fault inside
    an endpoint a verdict."""
    running = run()
    desk.wait_for(lambda: desk.nodes)
    way.stand_between(problem(error))
    way.wait_for(lambda: way.met.get(paths.WORK_LEASE, 0) >= 2)
    way.stand_between(through)
    desk.put(lease_of(b"job", 5))
    desk.wait_for(lambda: desk.completed)
    assert running.error is None


@pytest.mark.parametrize(
    "error",
    [InvalidInput(), NotFound(), MethodNotAllowed(), NotAuthorized()],
    ids=lambda one: one.slug,
)
def test_what_an_endpoint_itself_refuses_ends_the_worker_and_frees_its_jobs(
    way: Path, desk: Desk, run: Run, error: WorkmillError
) -> None:
    """An endpoint that does not understand is not asked for ever; what is in hand goes back."""
    job = lease_of(b"slow", ENDLESS)
    desk.put(job)
    running = run()
    desk.wait_for(lambda: desk.renewed)
    refuse = problem(error)
    way.stand_between(lambda asked: refuse(asked) if asked.url.path == paths.WORK_LEASE else None)
    running.join()
    assert type(running.error) is type(error)
    assert list(desk.released) == [job.id]


def test_a_word_that_is_refused_does_not_keep_back_the_results_beside_it(
    way: Path, desk: Desk, run: Run
) -> None:
    """One result that no endpoint takes is given up alone; the worker lives, the others arrive."""
    bad, good = lease_of(b"bad", 2), [lease_of(b"j%d" % number, 2) for number in range(9)]
    refuse = problem(InvalidInput("A state has at most 4 bytes."))

    def between(asked: httpx.Request) -> httpx.Response | None:
        if asked.url.path != paths.WORK_COMPLETE:
            return None
        words = codecs.from_msgpack(asked.content, list[Completion])
        return refuse(asked) if bad.id in [word.id for word in words] else None

    way.stand_between(between)
    desk.put(*good[:4], bad, *good[4:])
    running = run()
    desk.wait_for(lambda: len(desk.completed) == len(good))
    assert set(desk.completed) == {one.id for one in good}
    assert running.error is None


def test_a_stop_in_the_middle_of_silence_ends_the_worker(way: Path, desk: Desk, run: Run) -> None:
    """Told to stop while every request hangs, it does not wait for any of them to give up."""
    over, hanging = threading.Event(), threading.Semaphore(0)

    def silent(_request: httpx.Request) -> httpx.Response:
        hanging.release()
        over.wait()
        return httpx.Response(503)

    desk.put(lease_of(b"slow", ENDLESS))
    running = run(drain_seconds=0.5)
    desk.wait_for(lambda: desk.renewed)
    way.stand_between(silent)
    assert hanging.acquire(timeout=TEST_SECONDS)
    try:
        running.stop()
    finally:
        over.set()
    assert isinstance(running.error, EndpointUnreachable)


class KeyFile:
    """A file whose key may be changed, and may be half written for a while."""

    def __init__(self) -> None:
        self.key: str | None = "the old key"

    def read(self) -> str:
        if self.key is None:
            raise InvalidInput("The key file is empty.")
        return self.key


def wanting(key: str) -> Answer:
    """An endpoint that takes this key only."""
    refuse = problem(NotAuthorized())
    return lambda asked: (
        None if asked.headers.get("authorization") == f"Bearer {key}" else refuse(asked)
    )


def test_a_key_that_was_changed_in_its_file_is_taken_up(way: Path, desk: Desk, run: Run) -> None:
    """The service wants the new key first, the file is empty, then it has the new key: the worker
    lives through all of it, and what it had in hand is finished."""
    file = KeyFile()
    job = lease_of(b"slow", 200)
    desk.put(job)
    way.stand_between(wanting("the old key"))
    running = run(read_key=file.read)
    desk.wait_for(lambda: desk.renewed)
    way.stand_between(wanting("the new key"))
    way.wait_for(lambda: way.met.get(paths.WORK_LEASE, 0) >= 2)
    file.key = None
    way.stand_between(wanting("the new key"))
    way.wait_for(lambda: way.met.get(paths.WORK_LEASE, 0) >= 2)
    file.key = "the new key"
    desk.wait_for(lambda: desk.completed)
    assert list(desk.completed) == [job.id]
    assert running.error is None


def test_a_file_that_is_changed_first_costs_nothing(way: Path, desk: Desk, run: Run) -> None:
    """The old key goes on being used while the service takes it, the new one from the first
    refusal on."""
    file = KeyFile()
    way.stand_between(wanting("the old key"))
    run(read_key=file.read)
    desk.wait_for(lambda: desk.nodes)
    file.key = "the new key"
    beats = len(desk.nodes)
    desk.wait_for(lambda: len(desk.nodes) > beats)
    way.stand_between(wanting("the new key"))
    desk.put(lease_of(b"job", 5))
    desk.wait_for(lambda: desk.completed)
