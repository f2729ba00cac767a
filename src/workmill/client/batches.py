"""From any number of items to batches that one request carries: bounded in jobs and bytes.

Ids are chosen before a batch is first sent, so that every repeat of it names the same jobs. An item
that is wrong does not touch its neighbours: in its place stands the refusal, under its id.

What is larger than a batch, or of unknown size, travels alone and is streamed: it is never in
memory whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, TypeVar

from workmill.client import arguments
from workmill.client.caller_exceptions import by_a_handler
from workmill.client.payload import payload, size_of
from workmill.client.upload import Heard, Source, unheard
from workmill.client.values import Data, Work
from workmill.domain.errors import BodyTooLarge, InvalidInput, WorkmillError
from workmill.domain.ids import id_text, new_id
from workmill.domain.limits import MAX_BATCH_JOBS, MAX_COUNT, MAX_PRIORITY, MIN_PRIORITY
from workmill.wire.messages import BatchItem, SubmitReply
from workmill.workloads.port import Workload
from workmill.workloads.registry import find_workload

T = TypeVar("T")

BATCH_BYTES: Final = 2 * 1024 * 1024
"""Data in one batch: enough to make the cost of a request vanish, small beside the limit of an
endpoint. An item larger than this travels alone."""

BATCHES_IN_FLIGHT: Final = 12
"""Enough that the endpoint always has the next batch while it makes one durable."""

Prepared: TypeAlias = BatchItem | SubmitReply
"""An item that may be sent, or its refusal."""


class _Checked(NamedTuple):
    id: str
    iterations: int
    priority: int
    content: bytes | Source


def works(items: Iterable[Data | Work], iterations: int | None, priority: int) -> Iterator[Work]:
    """Every item as Work; bare data takes what was said for all."""
    arguments.several(items, "items")
    if iterations is not None:
        iterations_of(iterations)
    priority_of(priority)
    for item in items:
        if isinstance(item, Work):
            yield item
        else:
            yield Work(item, iterations, None, priority)  # type: ignore[arg-type]


def cut(
    stream: Iterable[Work], max_jobs: int = MAX_BATCH_JOBS, max_bytes: int = BATCH_BYTES
) -> Iterator[list[Work]]:
    """Batches of at most `max_jobs` and `max_bytes` of data, in order, taken as they are needed.

    When the stream raises, what came before goes out first, so that its ids are known.
    """
    batch: list[Work] = []
    size = 0
    try:
        for work in stream:
            known = size_of(work.data)
            more = max_bytes + 1 if known is None else known
            if batch and (len(batch) == max_jobs or size + more > max_bytes):
                yield batch
                batch, size = [], 0
            batch.append(work)
            size += more
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class Batches(Iterator[list[Work]]):
    """Batches as long as the caller's items come. When those raise, the batches end, so that what
    was taken already is told of first; `end()` raises it then."""

    def __init__(self, stream: Iterable[list[Work]]) -> None:
        self._stream = iter(stream)
        self._failure: Exception | None = None

    def __next__(self) -> list[Work]:
        try:
            return next(self._stream)
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001  the caller's own, raised by `end`
            self._failure = error
            raise StopIteration from None

    def end(self) -> None:
        """Raise what ended the caller's items early, if anything did."""
        if self._failure is not None:
            raise self._failure


def batches_of(ids: Iterable[T]) -> Iterator[list[T]]:
    """At most `MAX_BATCH_JOBS` ids each, in order, taken as they are needed."""
    stream = iter(ids)
    while batch := list(islice(stream, MAX_BATCH_JOBS)):
        yield batch


def streamed(batch: Sequence[Work]) -> bool:
    """Whether this is one item that is sent by itself, as it is read."""
    if len(batch) > 1:
        return False
    size = size_of(batch[0].data)
    return size is None or size > BATCH_BYTES


def prepared(batch: Sequence[Work], workload: str, *, fold_locally: bool) -> list[Prepared]:
    """The batch as it travels, each job under its id, or its refusal. Reads files; folds when that
    is asked for. Raises InvalidInput when `workload` is not known here and must be."""
    if not fold_locally:
        return [_item(work, workload) for work in batch]
    checked = [_checked(work) for work in batch]
    mill = find_workload(workload)
    states = _folded_together(checked, mill)
    return [
        one if isinstance(one, SubmitReply) else _folded(one, states.get(place), workload, mill)
        for place, one in enumerate(checked)
    ]


def folded_item(work: Work, workload: str, heard: Heard = unheard) -> BatchItem:
    """One job as it travels, folded here. Raises InvalidInput, and OSError for a file that cannot
    be read."""
    chosen = chosen_id(work.id)
    iterations, priority = iterations_of(work.iterations), priority_of(work.priority)
    mill = find_workload(arguments.name(workload, "workload"))
    content = payload(work.data, heard)
    digest = mill.fold(content.chunks() if isinstance(content, Source) else (content,))
    return BatchItem(
        iterations=iterations, id=chosen, digest=digest, priority=priority, workload=workload
    )


def chosen_id(given: object) -> str:
    """The given id in its canonical text, or a new UUIDv7. Raises InvalidInput."""
    return id_text(new_id()) if given is None else arguments.job_id(given)


def refused(job_id: str, error: Exception) -> SubmitReply:
    """The answer to an item that was refused here, or by itself. What a signal's handler raised
    there is no word about it, and is raised again."""
    if by_a_handler(error):
        raise error
    if isinstance(error, WorkmillError):
        return SubmitReply(id=job_id, status="refused", problem=str(error), slug=error.slug)
    words = str(error) if isinstance(error, OSError) else arguments.told(error)
    return SubmitReply(id=job_id, status="refused", problem=words, slug=InvalidInput.slug)


def iterations_of(value: object) -> int:
    """How often to compute. Raises InvalidInput."""
    return (
        value
        if type(value) is int and 0 < value < MAX_COUNT
        else arguments.whole(value, "iterations", 1)
    )


def priority_of(value: object) -> int:
    """A priority from -100 to 100. Raises InvalidInput."""
    return (
        value
        if type(value) is int and MIN_PRIORITY <= value <= MAX_PRIORITY
        else arguments.whole(value, "priority", MIN_PRIORITY, MAX_PRIORITY)
    )


def _checked(work: Work) -> _Checked | SubmitReply:
    try:
        return _Checked(
            chosen_id(work.id),
            iterations_of(work.iterations),
            priority_of(work.priority),
            payload(work.data),
        )
    except Exception as error:  # noqa: BLE001  also what the item's own code raised
        return refused(id_to_show(work.id), error)


def id_to_show(given: object) -> str:
    """The id of an item that is refused: the one it has, however wrong, or a new one."""
    try:
        return chosen_id(given)
    except InvalidInput:
        return arguments.shown_id(given)


def _folded_together(checked: Sequence[_Checked | SubmitReply], mill: Workload) -> dict[int, bytes]:
    """The first states of all that is in memory, in one call."""
    held = {
        place: one.content
        for place, one in enumerate(checked)
        if isinstance(one, _Checked) and isinstance(one.content, bytes)
    }
    return dict(zip(held, mill.fold_all(list(held.values())), strict=True))


def _folded(one: _Checked, state: bytes | None, workload: str, mill: Workload) -> Prepared:
    try:
        if state is None and isinstance(one.content, Source):
            state = mill.fold(one.content.chunks())
    except Exception as error:  # noqa: BLE001
        return refused(one.id, error)
    return BatchItem(
        iterations=one.iterations,
        id=one.id,
        digest=state,
        priority=one.priority,
        workload=workload,
    )


def _item(work: Work, workload: str) -> Prepared:
    try:
        given = work.data
        content = given if type(given) is bytes else payload(given)
        return BatchItem(
            iterations=iterations_of(work.iterations),
            id=chosen_id(work.id),
            data=memoryview(_read(content) if isinstance(content, Source) else content),
            priority=priority_of(work.priority),
            workload=workload,
        )
    except Exception as error:  # noqa: BLE001  also what the item's own code raised
        return refused(id_to_show(work.id), error)


def _read(source: Source) -> bytes:
    """All of a file that was small when it was put into this batch."""
    pieces: list[bytes] = []
    size = 0
    for piece in source.chunks():
        pieces.append(piece)
        size += len(piece)
        if size > BATCH_BYTES:
            raise BodyTooLarge("The file grew while it was read. No job was stored over it.")
    return b"".join(pieces)
