"""What stands between a client and its endpoint: answers said twice, packed, or cut to size."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.http.client.commands import run
from tests.http.client.liars import whole
from tests.http.client.live import CuttingProxy, Live

from workmill.client.addresses import Addresses
from workmill.client.async_transport import AsyncTransport
from workmill.client.httpx_adapter import context_for
from workmill.client.steps import Request

Make = Callable[..., AsyncTransport]
BEHIND = ["the same again", "\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"]


@contextmanager
def _counting(behind: str) -> Iterator[str]:
    """A server that answers each request by its path, and says something more behind it."""

    def answer(line: socket.socket) -> None:
        with suppress(OSError), line:
            while asked := line.recv(65536):
                said = whole(asked.split()[1])
                line.sendall(said + (said if behind == BEHIND[0] else behind.encode()))

    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("behind", BEHIND, ids=["twice", "a line", "a head"])
async def test_what_comes_behind_an_answer_answers_nothing(
    make_transport: Make, behind: str
) -> None:
    """Else every later answer on that connection would be the one to the question before."""
    with _counting(behind) as url:
        async with make_transport(url) as transport:
            for number in range(5):
                reply = await transport.send(Request("GET", f"/{number}"))
                assert reply.content == f"/{number}".encode()


@pytest.mark.parametrize("cuts", [1, 3])
async def test_a_command_outlasts_a_connection_that_is_cut(live: Live, cuts: int) -> None:
    """Whoever took it is there: it is not said that nobody is."""
    async with CuttingProxy(live.port, cuts) as proxy:
        done = await asyncio.to_thread(run, "status", url=proxy.url)
    assert done.returncode == 0, done.stderr


def test_a_key_log_that_cannot_be_written_hinders_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SSLKEYLOGFILE is set for some other program: certificates are checked as ever."""
    ordinary = context_for(Addresses("https://localhost"))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "nowhere" / "keys"))
    context = context_for(Addresses("https://localhost"))
    assert context.verify_mode == ordinary.verify_mode
    assert context.check_hostname
    assert context.cert_store_stats() == ordinary.cert_store_stats()
