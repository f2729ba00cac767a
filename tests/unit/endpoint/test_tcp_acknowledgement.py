"""What counts as arrived: judged over real connections of loopback, whatever their end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio

from workmill.endpoint import tcp_acknowledgement
from workmill.endpoint.tcp_acknowledgement import Arrival

ANSWER = b"answer" * 100
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


class Line:
    """A connection with its caller, and as much of a transport as is asked for. What is held is not
    with the kernel yet."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.caller = socket.create_connection(server.getsockname(), timeout=20)
            self.ours, _ = server.accept()
        self.held_bytes = 0
        transport = cast("asyncio.Transport", self)
        self.arrival = Arrival(transport, asyncio.get_running_loop())

    def get_extra_info(self, _name: str) -> socket.socket:
        return self.ours

    def get_write_buffer_size(self) -> int:
        return self.held_bytes

    async def write(self) -> None:
        """As the loop does: the buffer is looked at in the next turn."""
        if not self.held_bytes:
            self.ours.sendall(ANSWER)
        self.arrival.wrote(len(ANSWER), watched=True)
        await asyncio.sleep(0)

    def reset(self) -> None:
        self.caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.caller.close()


@pytest_asyncio.fixture
async def line() -> AsyncIterator[Line]:
    made = Line()
    yield made
    made.caller.close()
    made.ours.close()


async def test_what_was_written_to_a_live_connection_has_arrived_though_it_is_reset(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset may come without the acknowledgement of what was read before it."""
    monkeypatch.setattr(tcp_acknowledgement, "_acked_bytes", lambda _info: 0)
    await line.write()
    line.reset()
    line.arrival.lose()
    assert line.arrival.known() is True


async def test_what_the_kernel_never_had_has_not_arrived(line: Line) -> None:
    """The caller went before the whole of it was sent."""
    line.held_bytes = 1
    await line.write()
    assert line.arrival.known() is None
    line.reset()
    line.arrival.lose()
    assert line.arrival.known() is False


async def test_who_had_ended_his_sending_has_it_only_if_he_acknowledged_it(line: Line) -> None:
    """His machine answers with a reset when nobody is there any more."""
    line.arrival.half_closed = True
    line.caller.close()
    await line.write()
    line.arrival.lose()
    assert line.arrival.known() is False


async def test_what_could_not_be_written_has_not_arrived(line: Line) -> None:
    """Also when the answer before it has."""
    await line.write()
    line.arrival.refuse()
    assert line.arrival.known() is False


@pytest.mark.parametrize("looks", [False, True])
async def test_an_end_that_nobody_has_read_counts_too(line: Line, looks: bool) -> None:
    """The loop may not have read it: it is asked of the kernel, before and after the reset."""
    line.caller.close()
    await line.write()
    if not looks:
        line.arrival.lose()
    assert line.arrival.known() is False


async def test_an_end_between_the_answer_and_its_reset_counts_too(line: Line) -> None:
    """It crossed the answer on its way; the error of the connection says that it was first."""
    line.ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    await line.write()
    line.caller.close()
    line.ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    assert line.arrival.known() is False


async def test_an_end_that_a_later_write_found_counts_too(line: Line) -> None:
    """The kernel tells it once: who writes again is told, and then nobody."""
    line.caller.close()
    line.ours.sendall(ANSWER)
    with pytest.raises(BrokenPipeError) as found:
        line.ours.sendall(ANSWER)
    line.arrival.wrote(2 * len(ANSWER), watched=True)
    await asyncio.sleep(0)
    line.arrival.lose(found.value)
    assert line.arrival.known() is False
