"""Operations without I/O: what is asked, what an answer means, and what a repeat carries."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest

from workmill.client.batches import prepared
from workmill.client.operations import LAST_LOOK_SECONDS
from workmill.client.poll_bound import MOST
from workmill.client.steps import Reply, Request
from workmill.client.values import Work
from workmill.domain import limits
from workmill.domain.errors import (
    BodyTooLarge,
    EndpointUnreachable,
    InvalidInput,
    JobCancelled,
    JobFailed,
    WaitTimeout,
    WorkmillError,
)
from workmill.wire import codecs
from workmill.wire.messages import (
    BatchItem,
    Cancel,
    CancelReply,
    CompatibleResult,
    JobView,
    PulledResults,
    SubmitReply,
)

if TYPE_CHECKING:
    from tests.unit.client.conftest import Counterpart

ID = "01936f3c-8d2a-7cc3-98c4-dc0c0c07398f"
VALUE = bytes(range(64))


def batch(*works: Work) -> list[BatchItem]:
    """These items as they travel."""
    items = prepared(works, "sha512", fold_locally=False)
    return [item for item in items if isinstance(item, BatchItem)]


LOST = EndpointUnreachable()


def json(message: object) -> Reply:
    return Reply(200, codecs.to_json(message))


def view(status: str, **fields: Any) -> Reply:
    """The reply of an endpoint that sees the job like this."""
    usual: dict[str, Any] = {
        "workload": "sha512",
        "iterations": 10,
        "done": 4,
        "priority": 0,
        "attempts": 1,
    }
    return json(JobView(id=ID, status=status, **(usual | fields)))


def each(*replies: Reply | EndpointUnreachable) -> Callable[[Request], Reply]:
    """Answers in this order, the last one for ever."""
    rest = chain(replies, repeat(replies[-1]))

    def answer(_request: Request) -> Reply:
        reply = next(rest)
        if isinstance(reply, EndpointUnreachable):
            raise reply
        return reply

    return answer


def test_a_repeated_submit_names_the_same_job(service: Counterpart) -> None:
    """The id is chosen once, before the first attempt: a repeat can never make a second job."""
    steps = service.operations.submit(b"data", 7, None, 3, "sha512")
    early: Iterator[Reply | EndpointUnreachable] = iter([LOST, Reply(503), LOST])

    def answer(request: Request) -> Reply:
        told = next(early, json(SubmitReply(id=request.path.removeprefix("/v1/jobs/"))))
        if isinstance(told, EndpointUnreachable):
            raise told
        return told

    service.carry(steps, answer)
    assert len(service.asked) == 4
    (path,) = {request.path for request in service.asked}
    assert uuid.UUID(path.removeprefix("/v1/jobs/")).version == 7
    for request in service.asked:
        assert (request.method, request.content) == ("PUT", b"data")
        assert request.query == {"iterations": 7, "priority": 3, "workload": "sha512"}


def test_a_repeated_batch_names_the_same_jobs(service: Counterpart) -> None:
    """Every attempt carries the same bytes, ids included, and there is an id for every item."""
    items = batch(Work(b"a", 1), Work(b"b", 2))
    replies = Reply(200, codecs.to_msgpack([SubmitReply(id=item.id or "") for item in items]))
    answers = service.carry(service.operations.submit_batch(items), each(LOST, LOST, replies))
    assert [answer.id for answer in answers] == [item.id for item in items]
    (body,) = {request.content for request in service.asked}
    assert isinstance(body, bytes)
    assert codecs.from_msgpack(body, list[BatchItem]) == items
    assert len({item.id for item in items} - {None}) == 2


def test_an_answer_that_misses_jobs_is_not_believed(service: Counterpart) -> None:
    """A reply of another length cannot be matched to what was sent, so it is an error."""
    items = batch(Work(b"a", 1))
    with pytest.raises(WorkmillError, match="1 jobs were sent, 0 were answered"):
        service.carry(service.operations.submit_batch(items), each(Reply(200, b"\x90")))


def test_a_stranger_behind_the_url_is_told_apart(service: Counterpart) -> None:
    """Another service that answers 200 with its own page is named as what it is, when patience with
    it is at its end."""
    began = service.now
    page = Reply(200, b"<html>It works!</html>", url="http://mill")
    with pytest.raises(EndpointUnreachable, match="at http://mill is not an endpoint of Workmill"):
        service.carry(service.operations.stats(), each(page))
    assert 20.0 < service.now - began <= 30.0


def msgpack(*replies: SubmitReply) -> Reply:
    return Reply(200, codecs.to_msgpack(replies))


def refused(item: BatchItem, slug: str) -> SubmitReply:
    return SubmitReply(id=item.id or "", status="refused", problem="no", slug=slug)


def taken(item: BatchItem) -> SubmitReply:
    return SubmitReply(id=item.id or "")


def test_items_whose_part_is_away_are_sent_again(service: Counterpart) -> None:
    """Those alone, under their ids, until they are taken; the replies keep the batch's order, and
    what no time heals is not repeated."""
    items = batch(*(Work(b"%d" % n, 1) for n in range(4)))
    away = [refused(item, "store-unavailable") for item in items]
    conflict = refused(items[1], "conflict")
    answer = each(
        msgpack(away[0], conflict, taken(items[2]), away[3]),
        msgpack(taken(items[0]), away[3]),
        Reply(503),
        msgpack(taken(items[3])),
    )
    replies = service.carry(service.operations.submit_batch(items), answer)
    assert replies == [taken(items[0]), conflict, taken(items[2]), taken(items[3])]
    bodies = [request.content for request in service.asked]
    assert all(isinstance(body, bytes) for body in bodies)
    assert [codecs.from_msgpack(body, list[BatchItem]) for body in bodies] == [  # type: ignore[arg-type]
        items,
        [items[0], items[3]],
        [items[3]],
        [items[3]],
    ]
    assert all(later.delay_seconds > 0 for later in service.asked[1:])


def test_cancels_whose_part_is_away_are_said_again(service: Counterpart) -> None:
    """A batch of cancels has the same patience: only those that may pass are asked again."""
    ids = ["a", "b", "c"]
    away = CancelReply(id="a", status="refused", problem="no", slug="store-unavailable")
    ended = CancelReply(id="b", status="refused", problem="no", slug="already-ended")
    a, c = CancelReply(id="a"), CancelReply(id="c")
    answer = each(*(Reply(200, codecs.to_json(told)) for told in ([away, ended, c], [away], [a])))
    assert service.carry(service.operations.cancel_batch(ids), answer) == [a, ended, c]
    bodies = [codecs.from_json(one.content, Cancel).ids for one in service.asked]  # type: ignore[arg-type]
    assert bodies == [ids, ["a"], ["a"]]


@pytest.mark.parametrize("then", [None, Reply(503), LOST])
def test_patience_with_a_part_that_stays_away_ends(
    service: Counterpart, then: Reply | EndpointUnreachable | None
) -> None:
    """Whatever the repeats meet: the items that were taken are told, and the others stay refused
    with what was said of them."""
    items = batch(Work(b"a", 1), Work(b"b", 1))
    away = refused(items[0], "store-unavailable")
    began = service.now
    answer = each(msgpack(away, taken(items[1])), then or msgpack(away))
    replies = service.carry(service.operations.submit_batch(items), answer)
    assert replies == [away, taken(items[1])]
    assert len(service.asked) > 10
    assert service.now - began <= 30.0


@pytest.mark.parametrize(("slug", "kind"), [("body-too-large", BodyTooLarge), (None, InvalidInput)])
def test_a_single_refused_item_raises_its_refusal(
    service: Counterpart, slug: str | None, kind: type[WorkmillError]
) -> None:
    """Who submits one job is told at once, by the kind of error that the endpoint named."""
    reply = SubmitReply(id=ID, status="refused", problem="too big", slug=slug)
    steps = service.operations.submit_item(BatchItem(iterations=1, id=ID, digest=VALUE))
    with pytest.raises(kind, match="too big") as raised:
        service.carry(steps, each(msgpack(reply)))
    assert type(raised.value) is kind


def test_a_result_is_waited_for_through_outages(service: Counterpart) -> None:
    """A wait without end outlives any number of polls, and an endpoint's restart."""
    answers: list[Reply | EndpointUnreachable] = [
        view("queued"),
        LOST,
        Reply(503),
        view("leased"),
    ] * 50
    steps = service.operations.result(ID, None)
    assert service.carry(steps, each(*answers, view("done", value=VALUE.hex()))) == VALUE


def test_a_wait_asks_for_no_more_than_is_left_or_allowed(service: Counterpart) -> None:
    """Each poll fits in the limit of the endpoint and in what is left of the caller's time."""
    deadline = service.now + 50.0

    def answer(request: Request) -> Reply:
        wait = float(request.query["wait"])
        assert wait <= min(limits.MAX_WAIT_SECONDS, deadline - service.now + 0.001)
        assert request.timeout_seconds >= wait + LAST_LOOK_SECONDS / 2
        service.now += wait
        return view("leased")

    with pytest.raises(WaitTimeout, match="4 of 10 iterations done"):
        service.carry(service.operations.result(ID, 50.0), answer)
    assert service.now == pytest.approx(deadline, abs=0.1)


def test_a_wait_of_no_time_still_looks_once(service: Counterpart) -> None:
    """`timeout_seconds=0` fetches a value that is there, with time enough for the request."""
    steps = service.operations.result(ID, 0.0)
    assert service.carry(steps, each(view("done", value=VALUE.hex()))) == VALUE
    assert service.asked[0].timeout_seconds == LAST_LOOK_SECONDS


def test_a_wait_on_a_dead_service_ends_in_time(service: Counterpart) -> None:
    """When nobody answers, the caller's time still bounds the whole."""
    began = service.now

    def answer(request: Request) -> Reply:
        service.now += request.timeout_seconds
        raise EndpointUnreachable

    with pytest.raises(EndpointUnreachable):
        service.carry(service.operations.result(ID, 5.0), answer)
    assert service.now - began <= 5.0 + LAST_LOOK_SECONDS


@pytest.mark.parametrize("silent_seconds", [0.0, 1.0])
def test_a_last_look_that_gets_no_answer_ends_a_wait_as_its_time_does(
    service: Counterpart, silent_seconds: float
) -> None:
    """Hundreds of waits whose time is up in one moment, uploads beside them: some find no turn, or
    an endpoint that is slow for that moment. Nobody is away, and the job is known to go on."""
    polls = service.operations._polls
    places = [polls.take(object()) for _ in range(MOST)]
    deadline = service.now + 12.0

    def answer(request: Request) -> Reply:
        if service.now + 1.0 < deadline:
            return view("leased")
        service.now += min(request.timeout_seconds, silent_seconds)
        raise EndpointUnreachable("too many calls")

    with pytest.raises(WaitTimeout, match=r"4 of 10 .* last seen.*too many calls"):
        service.carry(service.operations.result(ID, 12.0), answer)
    assert None not in places
    assert deadline - 1.0 <= service.now <= deadline + LAST_LOOK_SECONDS


def test_a_wait_on_a_service_that_went_away_says_so(service: Counterpart) -> None:
    """One that was answered at first, and then not for longer than an endpoint may be silent."""
    polls = service.operations._polls
    places = [polls.take(object()) for _ in range(MOST)]
    told = iter([view("leased")])

    def answer(_: Request) -> Reply:
        service.now += 0.1
        for reply in told:
            return reply
        raise EndpointUnreachable

    with pytest.raises(EndpointUnreachable):
        service.carry(service.operations.result(ID, 45.0), answer)
    assert None not in places


def test_a_wait_without_a_place_gives_every_look_its_time(service: Counterpart) -> None:
    """The pause before a look is not taken from the look: the last one of a wait whose time is
    nearly up can be answered, and the wait ends as a wait does."""
    polls = service.operations._polls
    places = [polls.take(object()) for _ in range(MOST)]
    for _ in range(250):  # so many others without a place make the pauses long
        polls.take(object())

    def answer(request: Request) -> Reply:
        assert request.timeout_seconds >= LAST_LOOK_SECONDS / 2
        return view("leased")

    assert None not in places
    with pytest.raises(WaitTimeout):
        service.carry(service.operations.result(ID, 60.0), answer)


def test_an_endpoint_that_does_not_wait_is_not_flooded(service: Counterpart) -> None:
    """Polls answered at once are still apart: a second holds fifty of them, not thousands."""
    with pytest.raises(WaitTimeout):
        service.carry(service.operations.result(ID, 1.0), each(view("queued")))
    assert len(service.asked) <= 51


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [("failed", JobFailed, "out of memory"), ("cancelled", JobCancelled, "cancelled")],
)
def test_a_job_without_a_result_says_so(
    service: Counterpart, status: str, kind: type[WorkmillError], words: str
) -> None:
    """The wait ends with the reason, at once."""
    steps = service.operations.result(ID, None)
    with pytest.raises(kind, match=words):
        service.carry(steps, each(view(status, reason="out of memory")))


def test_a_pull_goes_on_asking_as_long_as_it_was_told(service: Counterpart) -> None:
    """`wait_seconds` turns an empty queue into a wait, with few requests."""
    nothing = json(PulledResults(results=[]))
    something = PulledResults(results=[CompatibleResult(id=ID, value=VALUE.hex())], receipt="ab")
    operations = service.operations

    assert not service.carry(operations.pull(5, 60.0, 0.0), each(nothing))
    assert len(service.asked) == 1
    batch = service.carry(operations.pull(5, 60.0, 10.0), each(nothing, nothing, json(something)))
    assert [(result.id, result.value) for result in batch] == [(ID, VALUE)]
    assert batch.receipt == "ab"

    began, asked = service.now, len(service.asked)
    assert not service.carry(operations.pull(5, 60.0, 10.0), each(nothing))
    assert 9.0 <= service.now - began <= 10.0
    assert len(service.asked) - asked <= 30
    assert service.asked[-1].query == {"top": 5, "receipt_seconds": 60.0}


def test_no_id_can_lead_a_request_astray(service: Counterpart) -> None:
    """Only a UUID becomes part of a path, in its canonical form."""
    for evil in ("../stats", "", ID + "/x", "0" * 31 + "?"):
        with pytest.raises(InvalidInput):
            service.carry(service.operations.cancel(evil), each(view("cancelled")))
    assert service.asked == []
    upper = ID.replace("-", "").upper()
    service.carry(service.operations.cancel(upper), each(view("cancelled")))
    assert service.asked[0].path == f"/v1/jobs/{ID}"
