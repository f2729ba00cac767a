"""The clients' own bounds: waits starve nothing, and whoever leaves does not wait."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest
from tests.http.client.liars import LIES, serving
from tests.http.client.live import Hands, Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient, Client, Finished, connection_pools
from workmill.client.poll_bound import MOST, Polls
from workmill.client.steps import Request
from workmill.domain.errors import Unavailable, WaitTimeout
from workmill.domain.pace import SLOWEST_BYTES_PER_SECOND, Pace

WAIT_SECONDS = 60.0
SILENT = LIES["is silent"]


def test_a_pace_ends_what_drips_and_not_what_flows() -> None:
    """What moves at the slowest rate or faster may take any time; less ends after the silence."""
    now = 0.0
    flowing, dripping = Pace(10.0, lambda: now), Pace(10.0, lambda: now)
    for _ in range(1000):
        now += 1.0
        flowing.moved(SLOWEST_BYTES_PER_SECOND)
        dripping.moved(1)
        assert flowing.left() > 9.0
    assert dripping.left() < 0.0


def test_polls_are_bounded_and_given_back() -> None:
    """Those beyond look in, the more rarely the more of them there are."""
    polls = Polls()
    places = [polls.take(object()) for _ in range(MOST)]
    assert None not in places
    waits = [object() for _ in range(300)]
    assert {polls.take(wait) for wait in waits} == {None}
    assert polls.pause_seconds() == 3.0
    for wait in waits[1:]:
        polls.leave(wait)
    polls.give(cast(int, places[0]))
    polls.give(cast(int, places[0]))
    assert polls.take(waits[0]) is not None
    assert polls.take(object()) is None


async def test_four_hundred_waits_starve_no_short_call(live: Live) -> None:
    """They wait on while others submit; all get their values as soon as somebody computes."""
    async with AsyncClient(live.url, timeout_seconds=WAIT_SECONDS) as client:
        items = [b"%d" % number for number in range(400)]
        handles = [handle async for handle in client.submit_many(items, 2)]
        waits = [asyncio.create_task(handle.result(WAIT_SECONDS)) for handle in handles]
        await asyncio.sleep(0)
        one = await client.submit(b"one more", 2)
        with pytest.raises(WaitTimeout):
            await one.result(0.0)
        assert not any(wait.done() for wait in waits)
        with Hands(live.url):
            assert await asyncio.gather(*waits) == [advanced(item, 2) for item in items]


def test_waits_in_many_threads_starve_no_short_call(live: Live) -> None:
    """The same for threads."""
    with Client(live.url, timeout_seconds=WAIT_SECONDS) as client:
        items = [b"%d" % number for number in range(150)]
        handles = list(client.submit_many(items, 2))
        values: dict[bytes, bytes] = {}
        threads = [
            threading.Thread(
                target=lambda item, handle: values.update({item: handle.result(WAIT_SECONDS)}),
                args=(item, handle),
            )
            for item, handle in zip(items, handles, strict=True)
        ]
        for thread in threads:
            thread.start()
        assert client.submit(b"one more", 2).status == "queued"
        with Hands(live.url):
            for thread in threads:
                thread.join()
    assert values == {item: advanced(item, 2) for item in items}


def test_a_client_that_is_busy_says_so(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no word about the endpoint, and nothing was sent."""
    monkeypatch.setattr(connection_pools, "MOST_CALLS", 1)
    with Client(live.url, timeout_seconds=0.05) as client:
        turns = client._transport._network.turns
        with turns, pytest.raises(Unavailable, match="of this client are under way") as raised:
            client.stats()
        assert type(raised.value) is Unavailable
        assert client._transport.send(Request("GET", "/v1/stats")).status == 200


async def test_an_awaited_submit_many_is_left_at_once_by_a_timeout() -> None:
    """`wait_for` raises its own error, and no task is left behind."""
    with serving(SILENT) as url:
        async with AsyncClient(url, timeout_seconds=3600.0) as client:
            many = client.submit_many([b"x"] * 9000, 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(many), 0.2)
            assert len(asyncio.all_tasks()) == 1


class _OwnError(Exception):
    pass


def _three_results(client: Client, live: Live) -> None:
    handles = list(client.submit_many([b"a", b"b", b"c"], 2))
    with Hands(live.url):
        client.wait_all(handles, WAIT_SECONDS)


def test_an_exception_inside_results_is_the_callers_own(live: Live) -> None:
    """What was received by then is told."""
    with Client(live.url) as client:
        _three_results(client, live)
        with pytest.raises(_OwnError):
            _leave_after_two(client)
        assert client.stats().stats.delivered_total == 1


def test_an_endpoint_that_is_away_does_not_keep_whoever_leaves(live: Live) -> None:
    """One short attempt, and when that fails nobody hears of it."""
    with Client(live.url, timeout_seconds=3600.0) as client:
        _three_results(client, live)
        results = cast(Generator[Finished, None, None], client.results())
        assert len([next(results), next(results)]) == 2
        live.stop()
        try:
            results.close()
        finally:
            live.start()


def _leave_after_two(client: Client) -> None:
    for number, _result in enumerate(client.results(receipt_seconds=0.1)):
        if number == 1:
            raise _OwnError


@pytest.mark.parametrize("call", ["submit_many", "result", "results"])
def test_an_interrupt_ends_a_program_at_once(call: str) -> None:
    """Ctrl-C, while an endpoint says nothing: the process ends, threads and all."""
    with serving(SILENT) as url:
        program = f"""
import sys
from workmill import Client
client = Client({url!r}, timeout_seconds=3600)
print("ready", flush=True)
try:
    if {call!r} == "submit_many":
        list(client.submit_many([b"x"] * 9000, 1))
    elif {call!r} == "result":
        client.result("01936f3c-8d2a-7cc3-98c4-dc0c0c07398f")
    else:
        list(client.results())
except KeyboardInterrupt:
    sys.exit(7)
"""
        with subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parent
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            status = None
            while status is None:  # the handler may not be reached with the first of them
                os.kill(process.pid, signal.SIGINT)
                try:
                    status = process.wait(1.0)
                except subprocess.TimeoutExpired:
                    continue
        assert status in {7, -signal.SIGINT}


def test_many_large_files_are_never_in_memory_together(live: Live, tmp_path: Path) -> None:
    """Each is streamed by itself, and refused early: the process stays small."""
    file = tmp_path / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate(600 * 1024**2)
    program = f"""
from pathlib import Path
from workmill import Client
with Client({live.url!r}) as client:
    handles = list(client.submit_many([Path({str(file)!r})] * 20, 1))
assert all("limit" in handle.problem for handle in handles), handles[0].problem
status = Path("/proc/self/status").read_text()  # getrusage counts who started us, too
assert int(status.partition("VmHWM:")[2].split()[0]) < 200 * 1024, status
"""
    run = subprocess.run([sys.executable, "-c", program], check=False, timeout=WAIT_SECONDS)
    assert run.returncode == 0
