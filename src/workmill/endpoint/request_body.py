"""Bodies as they come in: bounded in size and time, and folded piece by piece.

The raw body is the data, whatever it calls itself: a label or an encoding is never
decoded. Only multipart/form-data is opened (`multipart.py`), because there the data is one of
its parts. Memory per request is one chunk, however large the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from workmill.domain.errors import BodyTimeout, InvalidInput, MalformedRequest
from workmill.endpoint.handlers import TYPE, Request, too_large
from workmill.endpoint.multipart import FormFolding, is_form
from workmill.workloads.port import Workload

MIN_BYTES_PER_SECOND = 64 * 1024
FORM_OVERHEAD_BYTES = 64 * 1024
"""What the boundaries, headers and small fields of a form may add to its data."""

_RANGE = b"content-range"
_NO_PART = "A Content-Range names a part of the data. Nothing was stored. Send all of it at once."


async def fold_body(
    request: Request, workload: Workload, *, max_bytes: int, seconds: float
) -> bytes:
    """The first state of the request's data.

    Raises BodyTooLarge as soon as it is known, before a byte is read when the announced
    length says so; BodyTimeout for a body that trickles; InvalidInput for a broken form.
    """
    form = _form_type(request)
    if form is not None:
        return await _fold_form(request, form, workload, max_bytes, seconds)
    allowed_seconds = _seconds_allowed(request, max_bytes, seconds)
    try:
        async with asyncio.timeout(allowed_seconds):
            chunk = await request.next_chunk()
            size = len(chunk)
            if request.body_read and size <= max_bytes:
                return workload.fold((chunk,))
            folding = workload.folding()
            while size <= max_bytes:
                folding.update(chunk)
                if request.body_read:
                    return folding.digest()
                chunk = await request.next_chunk()
                size += len(chunk)
    except TimeoutError:
        raise _too_slow() from None
    raise too_large(max_bytes)


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """The whole body in memory. Raises BodyTooLarge and BodyTimeout."""
    return b"".join(
        [chunk async for chunk in body_chunks(request, max_bytes=max_bytes, seconds=seconds)]
    )


async def body_chunks(request: Request, *, max_bytes: int, seconds: float) -> AsyncIterator[bytes]:
    """The body piece by piece, within its bounds. Raises BodyTooLarge and BodyTimeout."""
    deadline = asyncio.get_running_loop().time() + _seconds_allowed(request, max_bytes, seconds)
    size = 0
    while not request.body_read:
        try:
            async with asyncio.timeout_at(deadline):
                chunk = await request.next_chunk()
        except TimeoutError:
            raise _too_slow() from None
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        yield chunk


def _form_type(request: Request) -> bytes | None:
    """The type of a form; None when the body is the data. Raises InvalidInput when it is both, and
    MalformedRequest when it is but a part of the data (RFC 9110, section 14.5)."""
    kinds = []
    for name, value in request.headers:
        if name == TYPE:
            kinds.append(value)
        elif name == _RANGE:
            raise MalformedRequest(_NO_PART)
    if not any(is_form(kind) for kind in kinds):
        return None
    if len(kinds) > 1:
        raise InvalidInput(
            "The body has several Content-Types, one of them a form's: whether it is opened is not "
            "clear. Nothing was stored. Send one Content-Type."
        )
    return kinds[0]


async def _fold_form(
    request: Request, kind: bytes, workload: Workload, max_bytes: int, seconds: float
) -> bytes:
    form = FormFolding(kind, workload, max_bytes)
    whole = max_bytes + FORM_OVERHEAD_BYTES
    async for chunk in body_chunks(request, max_bytes=whole, seconds=seconds):
        form.update(chunk)
    return form.digest()


def _seconds_allowed(request: Request, max_bytes: int, seconds: float) -> float:
    announced = request.content_length()
    if announced is not None and announced > max_bytes:
        raise too_large(max_bytes)
    expected = max_bytes if announced is None else announced
    return seconds + expected / MIN_BYTES_PER_SECOND


def _too_slow() -> BodyTimeout:
    return BodyTimeout(
        "The body did not arrive in time. Nothing was stored. Retry on a faster line."
    )
