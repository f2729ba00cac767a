"""From any number of items to batches that one request carries: bounded in jobs and bytes.

Ids are chosen before a batch is first sent, so that every repeat of it names the same jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from workmill.client.reading import Heard, chunks_of, unheard
from workmill.client.values import Data, Work
from workmill.domain.errors import InvalidInput
from workmill.domain.ids import id_text, new_id, parse_id
from workmill.domain.limits import MAX_BATCH_JOBS
from workmill.wire.messages import BatchItem
from workmill.workloads.registry import find_workload

BATCH_BYTES: Final = 2 * 1024 * 1024
"""Data in one batch: enough to make the cost of a request vanish, small beside the limit of an
endpoint. An item larger than this travels alone."""

BATCHES_IN_FLIGHT: Final = 12
"""Enough that the endpoint always has the next batch while it makes one durable."""


def works(items: Iterable[Data | Work], iterations: int | None, priority: int) -> Iterator[Work]:
    """Every item as Work. Raises InvalidInput for bare data when no `iterations` were given."""
    for item in items:
        if isinstance(item, Work):
            yield item
        elif iterations is None:
            raise InvalidInput("An item has no iterations. Give them for all, or send Work items.")
        else:
            yield Work(item, iterations, None, priority)


def cut(
    stream: Iterable[Work], max_jobs: int = MAX_BATCH_JOBS, max_bytes: int = BATCH_BYTES
) -> Iterator[list[Work]]:
    """Batches of at most `max_jobs` and `max_bytes` of data, in order, taken as they are needed."""
    batch: list[Work] = []
    size = 0
    for work in stream:
        more = _size(work.data)
        if batch and (len(batch) == max_jobs or size + more > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(work)
        size += more
    if batch:
        yield batch


def batches_of(ids: Iterable[str]) -> Iterator[list[str]]:
    """At most `MAX_BATCH_JOBS` ids each, in order, taken as they are needed."""
    stream = iter(ids)
    while batch := list(islice(stream, MAX_BATCH_JOBS)):
        yield batch


def batch_items(
    batch: Sequence[Work], workload: str, *, fold_locally: bool, heard: Heard = unheard
) -> list[BatchItem]:
    """The batch as it travels, each job under its id. Reads files; folds when that is asked for."""
    all_data: list[memoryview | None] = [None] * len(batch)
    all_digests: list[bytes | None] = [None] * len(batch)
    if fold_locally:
        all_digests[:] = digests([work.data for work in batch], workload, heard)
    else:
        all_data[:] = [memoryview(content(work.data)) for work in batch]
    return [
        BatchItem(
            iterations=work.iterations,
            id=chosen_id(work.id),
            data=data,
            digest=digest,
            priority=work.priority,
            workload=workload,
        )
        for work, data, digest in zip(batch, all_data, all_digests, strict=True)
    ]


def chosen_id(given: str | None) -> str:
    """The given id in its canonical text, or a new UUIDv7. Raises InvalidInput."""
    return id_text(new_id() if given is None else parse_id(given))


def content(data: Data) -> bytes:
    """All of the data in memory."""
    if isinstance(data, bytes):
        return data
    return data.read_bytes() if isinstance(data, Path) else bytes(data)


def digests(all_data: Sequence[Data], workload: str, heard: Heard = unheard) -> list[bytes]:
    """Each first state, as the endpoint would fold it; what is in memory in one call. A file may
    be large: it is read in chunks, and `heard` of each."""
    mill = find_workload(workload)
    in_memory = [content(data) for data in all_data if not isinstance(data, Path)]
    folded = iter(mill.fold_all(in_memory))
    return [
        mill.fold(chunks_of(data, heard)) if isinstance(data, Path) else next(folded)
        for data in all_data
    ]


def _size(data: Data) -> int:
    if isinstance(data, bytes):
        return len(data)
    return data.stat().st_size if isinstance(data, Path) else memoryview(data).nbytes
