"""Orders through the supervisor's socket: what arrives, what is refused, and who may speak."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from workmill.controller.fleet import Fence, Member
from workmill.controller.fleets.supervisor_client import SupervisedFleet
from workmill.domain.errors import Unavailable
from workmill.supervisor.order_socket import MAX_ORDER_BYTES, carry_out, taking_orders
from workmill.wire import codecs
from workmill.wire.fleet_orders import Order


class Notes:
    """A fleet that does at once what it is told, and fences as every fleet does."""

    def __init__(self) -> None:
        self.fence = Fence()
        self.members: dict[str, Member] = {}
        self.drained: list[tuple[str, bool]] = []

    def list(self, token: int) -> Sequence[Member]:
        self.fence.admits(token)
        return [*self.members.values()]

    def start(self, count: int, token: int) -> None:
        if self.fence.admits(token):
            for _ in range(count):
                name = f"m{len(self.members)}"
                self.members[name] = Member(name=name, host="h", pid=7, age_seconds=1.5)

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        if self.fence.admits(token):
            self.drained.append((member.name, drain))
            del self.members[member.name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sock"


@pytest_asyncio.fixture
async def notes(path: Path) -> AsyncIterator[Notes]:
    made = Notes()
    async with taking_orders(path, {"worker": made}):
        yield made


async def test_what_a_controller_orders_is_done_and_what_there_is_is_told(
    path: Path, notes: Notes
) -> None:
    """Members arrive as the fleet has them, and each order reaches it."""
    fleet = SupervisedFleet(path, "worker")
    await asyncio.to_thread(fleet.start, 2, 5)
    first, second = await asyncio.to_thread(fleet.list, 5)
    assert first == Member(name="m0", host="h", pid=7, age_seconds=1.5)
    await asyncio.to_thread(lambda: fleet.stop(first, 5, drain=True))
    await asyncio.to_thread(lambda: fleet.stop(second, 5, drain=False))
    assert notes.drained == [("m0", True), ("m1", False)]
    assert await asyncio.to_thread(fleet.list, 5) == []


async def test_an_order_of_a_replaced_leader_changes_nothing(path: Path, notes: Notes) -> None:
    """The look of the next one is enough to fence it."""
    fleet = SupervisedFleet(path, "worker")
    await asyncio.to_thread(fleet.list, 6)
    await asyncio.to_thread(fleet.start, 2, 5)
    assert notes.members == {}


def test_only_this_user_may_order(path: Path) -> None:
    """The socket is nobody else's while it is there, and is gone with its supervisor."""

    async def mode() -> int:
        async with taking_orders(path, {}):
            return (await asyncio.to_thread(path.stat)).st_mode

    assert stat.S_IMODE(asyncio.run(mode())) == stat.S_IRUSR | stat.S_IWUSR
    assert not path.exists()


async def test_a_supervisor_that_is_gone_is_said(path: Path) -> None:
    """The controller's turn fails with words, and the next supervisor takes the place of one that
    was killed."""
    await asyncio.to_thread(path.touch)
    with pytest.raises(Unavailable, match="did not answer"):
        await asyncio.to_thread(SupervisedFleet(path, "worker").list, 1)
    async with taking_orders(path, {"worker": Notes()}):
        assert await asyncio.to_thread(SupervisedFleet(path, "worker").list, 1) == []


async def test_a_supervisor_that_ends_before_it_answers_is_said(path: Path) -> None:
    """Whether the order was carried out is seen with the next look."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(leave, path):
        with pytest.raises(Unavailable, match="did not answer"):
            await asyncio.to_thread(SupervisedFleet(path, "worker").list, 1)


async def test_a_refusal_reaches_the_controller(path: Path, notes: Notes) -> None:
    """In the supervisor's words: it is no order that was done."""
    del notes
    with pytest.raises(Unavailable, match="no fleet of 'king'"):
        await asyncio.to_thread(SupervisedFleet(path, "king").start, 1, 5)


async def test_a_line_that_is_too_long_ends_its_own_connection_alone(
    path: Path, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is bounded, and no error of the supervisor."""
    del notes
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * (3 * MAX_ORDER_BYTES))
    with suppress(OSError):
        assert await reader.read() == b""
    writer.close()
    assert await asyncio.to_thread(SupervisedFleet(path, "worker").list, 1) == []
    assert "Unhandled" not in caplog.text


def order(**fields: object) -> bytes:
    return codecs.to_json({"role": "worker", "token": 1, **fields})


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        order(role="king"),
        order(act="dance"),
        order(act="start", count=-1),
        order(act="start", count=10**6),
        order(act="start", count=1.5),
    ],
)
def test_what_is_no_order_is_refused_in_words(line: bytes) -> None:
    """And nothing is done."""
    notes = Notes()
    assert carry_out(line, {"worker": notes}).refused
    assert notes.members == {}


def test_an_order_for_one_that_is_gone_does_no_harm() -> None:
    """It may be given twice."""
    line = codecs.to_json(Order(role="worker", token=1, act="end", name="m9"))
    assert carry_out(line, {"worker": Notes()}).refused == ""


async def test_who_says_nothing_holds_nobody_up(path: Path, notes: Notes) -> None:
    """Others are answered meanwhile."""
    del notes
    _, writer = await asyncio.open_unix_connection(path)
    assert await asyncio.to_thread(SupervisedFleet(path, "worker").list, 1) == []
    writer.close()
