"""Both clients against a real endpoint: very many jobs, their results, and the whole store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from tests.http.client.live import Hands, Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient, AsyncHandle, Data, Finished, Work
from workmill.client.batches import BATCHES_IN_FLIGHT
from workmill.domain.errors import BodyTooLarge, Conflict, InvalidInput
from workmill.domain.ids import id_text, new_id
from workmill.domain.limits import MAX_BATCH_JOBS, MAX_BODY_BYTES

Make = Callable[..., AsyncClient]
PATIENT_SECONDS = 100.0


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("fold_locally", [False, True])
async def test_many_jobs_keep_their_order_and_their_values(
    make_client: Make, live: Live, tmp_path: Path, fold_locally: bool
) -> None:
    """Handles come in the order of the items, whatever form these have, and values fit them."""
    file = tmp_path / "data"
    file.write_bytes(b"from a file")
    plain = [b"%d" % number for number in range(MAX_BATCH_JOBS + 50)]
    items: list[Data | Work] = [*plain, file, Work(b"own", 11)]
    async with make_client(live.url) as client:
        many = client.submit_many(items, 3, fold_locally=fold_locally)
        handles = [handle async for handle in many]
        values = await client.wait_all(handles, PATIENT_SECONDS)
    expected = [advanced(data, 3) for data in [*plain, b"from a file"]]
    assert values == [*expected, advanced(b"own", 11)]


async def test_a_refused_item_leaves_the_others_alone(make_client: Make, live: Live) -> None:
    """Each refusal is told by its own handle, with its own kind of error; the rest are taken."""
    taken = id_text(new_id())
    async with make_client(live.url) as client:
        await client.submit(b"first", 2, id=taken)
        items: list[Data | Work] = [
            b"good",
            bytes(MAX_BODY_BYTES + 1),
            Work(b"never", 0),
            Work(b"other", 2, id=taken),
            b"good too",
        ]
        handles = [handle async for handle in client.submit_many(items, 2)]
        assert [handle.problem is None for handle in handles] == [True, False, False, False, True]
        for handle, kind in zip(handles[1:4], [BodyTooLarge, InvalidInput, Conflict], strict=True):
            with pytest.raises(kind):
                await handle.result(0.0)
        assert (await client.stats()).stats.submitted_total == 3


async def test_an_endless_stream_is_taken_as_fast_as_it_is_used(
    make_client: Make, live: Live
) -> None:
    """Backpressure: what is under way is bounded, however much more the caller could give."""
    made = 0

    def endless() -> Iterator[bytes]:
        nonlocal made
        while True:
            made += 1
            yield b"%d" % made

    async with make_client(live.url) as client:
        handles = cast(AsyncGenerator[AsyncHandle, None], client.submit_many(endless(), 1))
        assert made == 0
        await anext(handles)
        assert made <= BATCHES_IN_FLIGHT * MAX_BATCH_JOBS + 1
        await handles.aclose()
        assert (await client.stats()).stats.submitted_total <= made - 1


@pytest.mark.usefixtures("hands")
async def test_results_are_pulled_once_they_are_acknowledged(make_client: Make, live: Live) -> None:
    """A result that was not acknowledged comes back; one that was does not."""
    async with make_client(live.url) as client:
        items = [b"a", b"b", b"c"]
        handles = [handle async for handle in client.submit_many(items, 2)]
        await client.wait_all(handles, PATIENT_SECONDS)
        batch = await client.pull(2, receipt_seconds=0.05)
        assert len(batch) == 2
        kept = batch.results[0]
        assert await client.acknowledge(batch, [kept.id]) == 1
        back = await _all(client, expected=2)
        assert {result.id for result in back} == {handle.id for handle in handles} - {kept.id}
        expected = [advanced(data, 2) for data in items]
        values = dict(zip([handle.id for handle in handles], expected, strict=True))
        assert all(result.value == values[result.id] for result in [kept, *back])


@pytest.mark.usefixtures("hands")
async def test_leaving_the_loop_early_loses_nothing(make_client: Make, live: Live) -> None:
    """What was consumed is acknowledged; the item in hand and the rest come back."""
    async with make_client(live.url) as client:
        items = [b"%d" % number for number in range(10)]
        handles = [handle async for handle in client.submit_many(items, 2)]
        await client.wait_all(handles, PATIENT_SECONDS)
        some = cast(AsyncGenerator[Finished, None], client.results(receipt_seconds=0.05))
        seen = [await anext(some) for _ in range(4)]
        await some.aclose()
        assert (await client.stats()).stats.delivered_total == 3
        back = await _all(client, expected=7)
        assert seen[3].id in {result.id for result in back}
        assert (await client.stats()).stats.delivered_total == 10


async def _all(client: AsyncClient, expected: int) -> list[Finished]:
    """This many results, acknowledged; receipts may have to run out first."""
    found: list[Finished] = []
    while len(found) < expected:
        batch = await client.pull(wait_seconds=PATIENT_SECONDS)
        assert await client.acknowledge(batch) == len(batch) > 0
        found += batch
    return found


async def test_a_listing_goes_on_over_its_pages(make_client: Make, live: Live) -> None:
    """All jobs come, newest first, each once; a status narrows them down."""
    async with make_client(live.url) as client:
        items = [b"%d" % number for number in range(250)]
        handles = [handle async for handle in client.submit_many(items, 2)]
        await handles[7].cancel()
        listed = [job.id async for job in client.jobs()]
        assert len(listed) == 250
        assert set(listed) == {handle.id for handle in handles}
        assert [job.id async for job in client.jobs(status="cancelled")] == [handles[7].id]


async def test_many_jobs_are_called_off_in_a_few_requests(make_client: Make, live: Live) -> None:
    """Each as by itself: one that is not there leaves the others alone, a repeat is harmless, and
    the replies keep the order however many requests they took."""
    async with make_client(live.url) as client:
        items = [b"%d" % number for number in range(MAX_BATCH_JOBS + 2)]
        handles = [handle async for handle in client.submit_many(items, 2)]
        unknown = id_text(new_id())
        ids = [handles[0].id, unknown, "nonsense", *(handle.id for handle in handles[1:])]
        replies = await client.cancel_many(ids)
        assert [reply.id for reply in replies] == ids
        assert [reply.slug for reply in replies[:4]] == [None, "not-found", "invalid-input", None]
        assert {reply.problem for reply in replies[3:]} == {None}
        assert (await client.stats()).stats.jobs["cancelled"] == len(handles)
        (again,) = await client.cancel_many([handles[5].id])
        assert again.status == "cancelled"
        assert await client.cancel_many([]) == []


async def test_a_backup_brings_back_what_it_holds(
    make_client: Make, live: Live, tmp_path: Path
) -> None:
    """Jobs taken in after the backup are gone after the restore, those before it are there."""
    file = tmp_path / "backup"
    async with make_client(live.url) as client:
        before = await client.submit(b"before", 2)
        await client.backup(file)
        await client.submit(b"after", 2)
        await client.restore(file)
        assert [job.id async for job in client.jobs()] == [before.id]
        file.write_bytes(b"no backup")
        with pytest.raises(InvalidInput):
            await client.restore(file)
        assert [job.id async for job in client.jobs()] == [before.id]


async def test_the_service_tells_how_it_is(make_client: Make, live: Live, hands: Hands) -> None:
    """Counters and live nodes arrive as typed values."""
    async with make_client(live.url) as client:
        await client.submit(b"data", 10)
        hands.beat()
        assert {node.role for node in await client.nodes()} >= {"worker"}
        stats = await client.stats()
        assert stats.workers == 1
        assert stats.stats.submitted_total == 1
