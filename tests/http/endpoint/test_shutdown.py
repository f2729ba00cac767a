"""The end is announced: `/readyz` says no first, all else is served until the notice is over."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.http.endpoint.conftest import Start, in_thread
from tests.system.processes import until

from workmill.domain.errors import StoreLost
from workmill.endpoint.server import _signals

FOR_EVER = 1000.0


def test_not_ready_comes_before_the_drain(start: Start) -> None:
    """A balancer sees it while calls are still served, long polls keep waiting, and every answer
    asks its caller to connect anew, elsewhere."""
    running = start(notice_seconds=FOR_EVER)
    job = running.submit(b"patient")
    polled = in_thread(running.http.get, f"/v1/jobs/{job}?wait=20")
    running.stop()
    until(lambda: running.http.get("/readyz").status_code == 503)
    assert "draining" in running.http.get("/readyz").json()["detail"]
    assert running.http.get("/healthz").headers["connection"] == "close"
    assert running.submit(b"late") != job
    running.work()
    assert polled().json()["status"] == "done"


def test_told_twice_it_drains_at_once(start: Start) -> None:
    """Whoever does not want to wait for the notice says so again."""
    running = start(notice_seconds=FOR_EVER)
    running.stop()
    until(lambda: running.http.get("/readyz").status_code == 503)
    running.stop()
    running.join()
    assert running.failure is None


async def test_a_wish_that_comes_as_several_signals_is_told_once() -> None:
    """Service managers send SIGTERM to a process and to its group, a closed terminal SIGHUP as its
    shell does: the notice is for the balancer, and is not cut short by that."""
    loop, told, all_heard = asyncio.get_running_loop(), list[bool](), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, all_heard.set)
    with _signals(loop, lambda: told.append(True)):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGUSR1)
        await all_heard.wait()
    loop.remove_signal_handler(signal.SIGUSR1)
    assert told == [True]


def test_a_notice_ends_by_itself(start: Start) -> None:
    """One word is enough."""
    running = start(notice_seconds=0.05)
    running.stop()
    running.join()


def test_a_lost_store_is_not_ready_before_the_process_ends(start: Start) -> None:
    """The process is alive and says that it must not be used, until the notice is over."""
    running = start(notice_seconds=FOR_EVER)
    running.store.error = StoreLost("the disk said no")
    assert running.http.put("/enqueue?iterations=3", content=b"x").status_code == 503
    until(lambda: running.http.get("/readyz").status_code == 503)
    assert running.http.get("/healthz").status_code == 200
    running.stop()
    running.join()
    assert isinstance(running.failure, StoreLost)
