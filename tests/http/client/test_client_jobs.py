"""Both clients against a real endpoint: one job's way from its bytes to its value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.http.client.live import Hands, Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient, Client, Data
from workmill.domain.errors import (
    Conflict,
    InvalidInput,
    JobCancelled,
    JobFailed,
    NotAuthorized,
    NotFound,
    WaitTimeout,
)
from workmill.domain.ids import id_text, new_id

Make = Callable[..., AsyncClient]
PATIENT_SECONDS = 100.0


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("fold_locally", [False, True])
@pytest.mark.parametrize("kind", ["bytes", "buffer", "file", "nothing"])
async def test_a_value_comes_back_and_is_right(
    make_client: Make, live: Live, tmp_path: Path, kind: str, fold_locally: bool
) -> None:
    """Whatever form the data has and wherever it is folded, hashlib agrees with the result."""
    content = b"" if kind == "nothing" else b"some data" * 30_000
    file = tmp_path / "data"
    file.write_bytes(content)
    forms: dict[str, Data] = {"buffer": memoryview(content), "file": file}
    async with make_client(live.url) as client:
        handle = await client.submit(forms.get(kind, content), 7, fold_locally=fold_locally)
        assert await handle.result(PATIENT_SECONDS) == advanced(content, 7)


@pytest.mark.parametrize("fold_locally", [False, True])
async def test_whoever_sends_a_file_may_watch_it_go(
    make_client: Make, live: Live, tmp_path: Path, fold_locally: bool
) -> None:
    """Sent or folded, it is told piece by piece, up to the last byte."""
    file = tmp_path / "data"
    file.write_bytes(bytes(900_000))
    heard: list[int] = []
    async with make_client(live.url) as client:
        await client.submit(file, 1, fold_locally=fold_locally, heard=heard.append)
    assert heard[-1] == 900_000
    assert heard == sorted(set(heard))
    assert len(heard) > 3


async def test_known_work_is_answered_by_the_submit(
    make_client: Make, live: Live, hands: Hands
) -> None:
    """The same data again is done at once; its value needs no further request."""
    async with make_client(live.url) as client:
        await (await client.submit(b"again", 100)).result(PATIENT_SECONDS)
        handle = await client.submit(b"again", 100)
        assert handle.status == "done"
        hands.stop()
        live.stop()
        try:
            assert await handle.result(0.0) == advanced(b"again", 100)
        finally:
            live.start()


async def test_progress_shows_where_a_job_stands(make_client: Make, live: Live) -> None:
    """The first iteration was made when the data was taken in."""
    async with make_client(live.url) as client:
        handle = await client.submit(b"data", 4, priority=5)
        progress = await handle.progress()
        assert (progress.status, progress.done, progress.total) == ("queued", 1, 4)
        assert progress.fraction == 0.25
        assert (await client.job(handle.id)).priority == 5


async def test_a_wait_can_be_given_up_and_taken_up_again(make_client: Make, live: Live) -> None:
    """A time-out harms nothing: the job goes on, and the next wait finds it."""
    async with make_client(live.url) as client:
        handle = await client.submit(b"slow", 3)
        with pytest.raises(WaitTimeout, match="It goes on"):
            await handle.result(0.05)
        with Hands(live.url):
            assert await handle.result(PATIENT_SECONDS) == advanced(b"slow", 3)


async def test_a_cancelled_job_ends_the_wait(make_client: Make, live: Live) -> None:
    """Whoever waits is told at once; a second cancel is harmless."""
    async with make_client(live.url) as client:
        handle = await client.submit(b"data", 4)
        waiting = asyncio.create_task(handle.result(PATIENT_SECONDS))
        await handle.cancel()
        await handle.cancel()
        with pytest.raises(JobCancelled, match=handle.id):
            await waiting


async def test_a_failed_job_tells_its_reason(make_client: Make, live: Live) -> None:
    """The reason that the worker gave reaches whoever asks for the value."""
    hands = Hands(live.url)
    async with make_client(live.url) as client:
        handle = await client.submit(b"data", 4)
        (lease,) = hands.lease(1)
        hands.fail(lease, "the disk is on fire")
        with pytest.raises(JobFailed, match="the disk is on fire"):
            await handle.result(PATIENT_SECONDS)
    hands.stop()


async def test_an_id_stands_for_one_piece_of_work(make_client: Make, live: Live) -> None:
    """The same work under the same id is one job; other work under it is refused, in any form."""
    job_id = id_text(new_id())
    async with make_client(live.url) as client:
        for fold_locally in (False, True):
            handle = await client.submit(b"mine", 9, id=job_id, fold_locally=fold_locally)
            assert handle.id == job_id
        assert (await client.stats()).stats.submitted_total == 1
        for fold_locally in (False, True):
            with pytest.raises(Conflict):
                await client.submit(b"other", 9, id=job_id, fold_locally=fold_locally)


async def test_what_is_not_valid_is_refused_and_changes_nothing(
    make_client: Make, live: Live
) -> None:
    """Refusals are told by the error tree, and nothing was stored."""
    async with make_client(live.url) as client:
        with pytest.raises(InvalidInput):
            await client.submit(b"data", 0)
        with pytest.raises(InvalidInput):
            await client.submit(b"data", 1, workload="none-such")
        with pytest.raises(NotFound):
            await client.result(id_text(new_id()), 1.0)
        with pytest.raises(NotFound):
            await client.cancel(id_text(new_id()))
        assert (await client.stats()).stats.submitted_total == 0


async def test_a_key_opens_what_is_closed(make_client: Make, tmp_path: Path) -> None:
    """Without the right key nothing is done, and that is said at once, without retries."""
    live = Live(tmp_path / "store", key=b"the key")
    try:
        for wrong in (None, "another"):
            async with make_client(live.url, key=wrong) as client:
                with pytest.raises(NotAuthorized):
                    await client.submit(b"data", 1)
        async with make_client(live.url, key="the key") as client:
            assert (await client.submit(b"data", 1)).status == "done"
    finally:
        live.stop()


@pytest.mark.usefixtures("hands")
def test_threads_share_one_client(live: Live) -> None:
    """Many threads at once through one pool of connections: every one gets its own value."""
    with Client(live.url) as client, ThreadPoolExecutor(16) as pool:

        def one(number: int) -> bytes:
            return client.submit(b"%d" % number, 5).result(PATIENT_SECONDS)

        values = list(pool.map(one, range(200)))
    assert values == [advanced(b"%d" % number, 5) for number in range(200)]
