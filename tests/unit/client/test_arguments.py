"""What callers give: taken where it has one meaning, refused in our own words where it has not."""

from __future__ import annotations

import array
import io
import math
import traceback
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workmill.client import AsyncClient, Client, arguments
from workmill.client.httpx_adapter import headers_of
from workmill.client.payload import payload
from workmill.client.steps import Reply, Request
from workmill.domain.errors import InvalidInput
from workmill.wire import codecs
from workmill.wire.messages import JobView, SubmitReply

if TYPE_CHECKING:
    from tests.unit.client.conftest import Counterpart

ID = uuid.UUID("01936f3c-8d2a-7cc3-98c4-dc0c0c07398f")


class Number:
    """Something that counts as a whole number."""

    def __index__(self) -> int:
        return 7


class Strange:
    """Whose buffer has been let go."""

    def __new__(cls) -> Any:
        view = memoryview(b"data")
        view.release()
        return view


@pytest.mark.parametrize(
    "data",
    ["text", "", 5, True, None, 1.5, [1, 2, 3], (1,), {1}, {}, object(), range(3), Strange()],
)
def test_what_holds_no_bytes_is_no_data(data: object) -> None:
    """A number is not that many zeros, a list is not joined, text is not encoded by guess."""
    with pytest.raises(InvalidInput, match="Data is bytes"):
        payload(data)


def test_text_is_told_what_it_may_be() -> None:
    """Either of the two things that are meant by it."""
    with pytest.raises(InvalidInput, match=r"text\.encode\(\).*Path"):
        payload("file.bin")


@pytest.mark.parametrize(
    "data",
    [
        b"abc",
        bytearray(b"abc"),
        memoryview(b"abc"),
        memoryview(b"a-b-c-")[::2],
        array.array("b", [97, 98, 99]),
        memoryview(b"abc").cast("B", (1, 3)),
    ],
)
def test_whatever_holds_bytes_is_data(data: object) -> None:
    """In the order in which it shows them; a copy, where it could change."""
    taken = payload(data)
    assert type(taken) is bytes
    assert taken == b"abc"


@pytest.mark.parametrize("value", [True, False, None, "5", 5.0, math.nan, [], b"5", Decimal(5)])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    """A truth value counts nothing, and nothing is rounded."""
    with pytest.raises(InvalidInput, match="iterations is a whole number"):
        arguments.whole(value, "iterations", 1)


@pytest.mark.parametrize("value", [10**5000, -(10**5000), 2**63, 0], ids=["a", "b", "c", "d"])
def test_a_number_that_cannot_travel_is_refused(value: int) -> None:
    """Whatever its size: it is not even printed."""
    with pytest.raises(InvalidInput, match="from 1 to"):
        arguments.whole(value, "iterations", 1)


def test_whatever_counts_as_a_whole_number_is_one() -> None:
    """numpy's and others' too."""
    assert arguments.whole(Number(), "iterations", 1) == 7


@pytest.mark.parametrize("value", [math.nan, "5", True, None, [], b"1", object(), 10**400, 1j])
def test_what_is_no_time_is_refused(value: object) -> None:
    """Before anybody sleeps for it."""
    with pytest.raises(InvalidInput, match="timeout_seconds"):
        arguments.seconds(value, "timeout_seconds")


@pytest.mark.parametrize("value", [0, 1.5, math.inf, 1e300, Decimal("1.5"), Fraction(3, 2)])
def test_any_real_number_is_a_time(value: object) -> None:
    """Infinity as well; a time that is over counts as none left."""
    assert arguments.seconds(value, "wait") >= 0.0
    assert arguments.seconds(-3, "wait") == 0.0


@pytest.mark.parametrize("patience", [-1, math.nan, "30", True, None])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_patient_for_a_time(kind: Callable[..., object], patience: object) -> None:
    """Judged when it is made."""
    with pytest.raises(InvalidInput, match="timeout_seconds"):
        kind("http://a", timeout_seconds=patience)


def test_an_id_is_a_uuid_or_its_text(service: Counterpart) -> None:
    """The same job either way; everything else is refused before anything is sent."""
    view = JobView(
        id=str(ID), status="queued", workload="", iterations=1, done=0, priority=0, attempts=0
    )
    for given in (ID, str(ID), ID.hex.upper(), "{" * 0 + str(ID).upper()):
        service.carry(service.operations.job(given), lambda _: Reply(200, codecs.to_json(view)))
    assert {request.path for request in service.asked} == {f"/v1/jobs/{ID}"}
    for wrong in (5, None, b"x", ID.bytes, ["x"], "x", "\ud800", str(ID) + "\n"):
        with pytest.raises(InvalidInput):
            service.carry(service.operations.cancel(wrong), lambda _: Reply(204))  # type: ignore[arg-type]
    assert len(service.asked) == 4


@pytest.mark.parametrize("one", [str(ID), ID, b"id", Path("x"), 5, memoryview(b"x")])
def test_one_id_is_no_list_of_ids(service: Counterpart, one: Any) -> None:
    """Its letters are not taken for ids."""
    with pytest.raises(InvalidInput, match="list"):
        service.carry(service.operations.acknowledge("ab", one), lambda _: Reply(204))
    with Client("http://127.0.0.1:1") as client:
        with pytest.raises(InvalidInput, match="list"):
            client.cancel_many(one)
        with pytest.raises(InvalidInput, match="list"):
            next(iter(client.submit_many(one, 1)))


def test_ids_that_are_none_are_answered_in_their_places(service: Counterpart) -> None:
    """They keep the others from nothing."""

    def answer(request: Request) -> Reply:
        assert isinstance(request.content, bytes)
        assert request.content == codecs.to_json({"ids": [str(ID)]})
        return Reply(200, codecs.to_json([{"id": str(ID), "status": "cancelled"}]))

    ids = ["mine", ID, 5, "\ud800", None]
    replies = service.carry(service.operations.cancel_some(ids), answer)
    assert [reply.problem is None for reply in replies] == [False, True, False, False, False]
    codecs.to_json(replies)


@pytest.mark.parametrize(
    "given",
    [
        {"workload": 5},
        {"workload": ""},
        {"workload": "x" * 201},
        {"priority": 101},
        {"priority": -101},
        {"heard": 5},
        {"workload": "\ud800"},
        {"priority": "high"},
        {"priority": True},
        {"iterations": None},
        {"job_id": 7},
        {"data": None},
        {"data": Path("a\0b")},
        {"data": Path("x"), "heard": 5},
    ],
)
def test_nothing_is_sent_when_anything_is_wrong(
    service: Counterpart, given: dict[str, Any]
) -> None:
    """Every argument of a submit is looked at first."""
    usual: dict[str, Any] = {
        "data": b"x",
        "iterations": 1,
        "job_id": None,
        "priority": 0,
        "workload": "sha512",
    }
    steps = service.operations.submit(**(usual | given))
    with pytest.raises(InvalidInput):
        service.carry(steps, _opened)
    assert len(service.asked) <= 1


def _opened(request: Request) -> Reply:
    """What a transport does with a source."""
    source = request.source()
    assert source is not None
    source.begin()
    raise AssertionError


@pytest.mark.parametrize(
    ("call", "given"),
    [
        ("pull", {"top": "all"}),
        ("pull", {"top": 10**5000}),
        ("pull", {"top": 0}),
        ("pull", {"top": 10_001}),
        ("jobs", {"status": "x" * 201}),
        ("jobs", {"status": ""}),
        ("acknowledge", {"batch": "a" * 5000}),
        ("pull", {"receipt_seconds": math.nan}),
        ("pull", {"receipt_seconds": math.inf}),
        ("pull", {"wait_seconds": math.nan}),
        ("acknowledge", {"batch": 5}),
        ("acknowledge", {"batch": None}),
        ("acknowledge", {"batch": "\ud800"}),
        ("result", {"job_id": ID, "timeout_seconds": math.nan}),
        ("wait_all", {"handles": [], "timeout_seconds": "x"}),
        ("backup", {"file": 5}),
        ("backup", {"file": ""}),
        ("backup", {"file": "a\0b"}),
        ("restore", {"file": None}),
        ("submit_many", {"items": [], "workload": 5}),
        ("submit_many", {"items": [], "workload": "x" * 201}),
        ("submit_many", {"items": [], "priority": "high"}),
        ("submit_many", {"items": [], "iterations": 0}),
        ("wait_all", {"handles": "abc"}),
    ],
)
def test_every_call_looks_at_what_it_is_given(call: str, given: dict[str, Any]) -> None:
    """There is nobody at this address: it is told before anybody is asked."""

    def use(client: Client) -> None:
        next(getattr(client, call)(**given))

    client = Client("http://127.0.0.1:1", timeout_seconds=0.0)
    with client, pytest.raises(InvalidInput):
        use(client)


@pytest.mark.parametrize(
    "key", ["secret\n", "sec\rret", " secret", "secret\t", "s€cret", "\0secret", "secret" * 1000]
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(
    kind: Callable[..., object], key: str
) -> None:
    """Neither in the message nor in what stands behind it."""
    with pytest.raises(InvalidInput, match="key") as raised:
        kind("http://127.0.0.1:1", key=key)
    shown = "".join(traceback.format_exception(raised.value)).lower()
    assert "secret" not in shown.replace("key=key", "")
    assert "s€cret" not in shown


@pytest.mark.parametrize("key", ["", b"bytes-are-no-text", 5])
def test_an_empty_key_is_no_key(key: Any) -> None:
    """None is what says that there is none."""
    with pytest.raises(InvalidInput, match=r"[Kk]ey"):
        headers_of(key)


def test_a_client_does_not_show_its_key() -> None:
    """However it is printed."""
    with Client("http://127.0.0.1:1", key="secret-of-sixteen") as client:
        assert "secret" not in f"{client!r}{client}{client._transport!r}"


def test_a_stream_of_text_is_told_to_be_binary() -> None:
    """When it is read, for nothing else tells them apart."""
    source = payload(io.StringIO("text"))
    assert not isinstance(source, bytes)
    with pytest.raises(InvalidInput, match="binary mode"):
        source.begin()


def test_a_reply_about_another_job_is_refused(service: Counterpart) -> None:
    """Whatever mixed them up: it is never taken for one's own."""
    other = SubmitReply(id=str(uuid.UUID(int=1)), status="done", value="ab" * 64)
    steps = service.operations.submit(b"x", 1, ID, 0, "sha512")
    with pytest.raises(Exception, match="is about"):
        service.carry(steps, lambda _: Reply(200, codecs.to_json(other)))


@pytest.mark.parametrize("value", ["", "a\0b", "\ud800", Path("\ud800"), b"", b"name", None, 5])
def test_what_names_no_file_is_refused(value: object) -> None:
    """An empty name would be the current directory."""
    with pytest.raises(InvalidInput, match="named by a path"):
        arguments.path(value)
