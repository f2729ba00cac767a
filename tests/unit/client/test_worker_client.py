"""The worker's face: one attempt, raw bytes, bodies that an endpoint takes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from workmill.client.sync_transport import Transport
from workmill.client.worker_client import BODY_BYTES, WorkClient
from workmill.domain.errors import EndpointUnreachable, NotAuthorized
from workmill.domain.job import Completion, Lease, LeaseRequest, Node, Renewal, Verdict
from workmill.domain.limits import MAX_LEASE_JOBS
from workmill.wire import codecs, paths
from workmill.wire.messages import PROBLEM_PREFIX, Problem

LEASE = Lease(id=b"i" * 16, token=3, workload="sha512", total=9, done=1, state=b"\xff" * 64)
WANTED = LeaseRequest(
    worker="w", workloads=("sha512",), min_jobs=1, max_jobs=2, max_cost=3, lease_seconds=4.0
)

LEASE_KEPT = Renewal(id=b"i" * 16, token=3, done=2, state=b"s" * 64, lease_seconds=4.0)
NODE = Node(incarnation="0", role="worker", host="here", pid=1, version="0")


class Face:
    """Notes requests; answers leases with one, and every word with `applied`."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        transport = Transport("http://mill", through=httpx.MockTransport(self._answer))
        self.client = WorkClient(transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == paths.WORK_LEASE:
            return httpx.Response(200, content=codecs.to_msgpack([LEASE]))
        words = codecs.from_msgpack(request.content, list[Completion])
        verdicts = [Verdict.STALE if word.token == 0 else Verdict.APPLIED for word in words]
        return httpx.Response(200, content=codecs.to_msgpack(verdicts))


def completion(number: int, state_bytes: int = 64) -> Completion:
    return Completion(id=number.to_bytes(16, "big"), token=number, state=b"s" * state_bytes)


def test_a_lease_request_says_how_long_it_will_wait() -> None:
    """States travel as raw bytes, and the wait stands in the query."""
    face = Face()
    assert face.client.lease(WANTED, 2.0) == [LEASE]
    (request,) = face.requests
    assert (request.method, request.url.params["wait"]) == ("POST", "2.0")
    assert request.headers["content-type"] == codecs.MSGPACK
    assert codecs.from_msgpack(request.content, LeaseRequest) == WANTED


def test_nothing_to_say_is_not_sent() -> None:
    """An empty batch costs no request."""
    face = Face()
    assert face.client.renew([]) == []
    assert face.requests == []


@pytest.mark.parametrize(("count", "state_bytes"), [(3000, 64), (600, 4096)])
def test_many_words_go_in_bodies_of_bounded_size(count: int, state_bytes: int) -> None:
    """However many there are and however large, each request is small and the order is kept."""
    face = Face()
    words = [completion(number, state_bytes) for number in range(count)]
    verdicts = face.client.complete(words)
    assert verdicts == [Verdict.STALE] + [Verdict.APPLIED] * (count - 1)
    sent = [codecs.from_msgpack(one.content, list[Completion]) for one in face.requests]
    assert [word for batch in sent for word in batch] == words
    assert all(len(batch) <= MAX_LEASE_JOBS for batch in sent)
    assert all(len(one.content) <= BODY_BYTES + 10_000 for one in face.requests)


def answering(status: int, content: bytes, kind: str = codecs.MSGPACK) -> WorkClient:
    """A client to whom every question is answered by this."""
    answer = httpx.Response(status, content=content, headers={"content-type": kind})
    return WorkClient(Transport("http://mill", through=httpx.MockTransport(lambda _: answer)))


def test_a_refusal_is_raised_at_once() -> None:
    """One attempt: what to do about a failure is the worker's business."""
    problem = codecs.to_json(
        Problem(type=PROBLEM_PREFIX + NotAuthorized.slug, title="A valid key is needed", status=401)
    )
    with pytest.raises(NotAuthorized):
        answering(401, problem, codecs.PROBLEM).lease(WANTED, 0.0)


ASK: list[Callable[[WorkClient], object]] = [
    lambda client: client.lease(WANTED, 0.0),
    lambda client: client.complete([completion(1), completion(2)]),
    lambda client: client.renew([LEASE_KEPT]),
    lambda client: client.beat(NODE),
]


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, b""),
        (200, b"<html>please log in</html>"),
        (200, codecs.to_msgpack("applied")),
        (200, codecs.to_msgpack([Verdict.APPLIED] * 3)),
        (200, codecs.to_msgpack([None, None])),
        (200, b"\xdd\xff\xff\xff\xff"),
        (201, b""),
        (302, b""),
        (404, b"<html>no such site</html>"),
    ],
)
def test_an_answer_that_does_not_fit_the_question_is_none(
    ask: Callable[[WorkClient], object], status: int, content: bytes
) -> None:
    """A page, an empty reply, fewer verdicts than words or more: nothing of it is believed."""
    with pytest.raises(EndpointUnreachable, match=str(status)):
        ask(answering(status, content))


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_there_are_as_many_verdicts_as_words(count: int) -> None:
    """They belong together by their order alone."""
    client = answering(200, codecs.to_msgpack([Verdict.APPLIED] * count))
    with pytest.raises(EndpointUnreachable):
        client.complete([completion(1), completion(2)])


def test_more_jobs_than_anybody_asks_for_are_not_taken() -> None:
    """What is in hand stays bounded, whatever is granted."""
    with pytest.raises(EndpointUnreachable):
        answering(200, codecs.to_msgpack([LEASE] * (MAX_LEASE_JOBS + 1))).lease(WANTED, 0.0)
