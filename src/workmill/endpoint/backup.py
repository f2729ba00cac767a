"""Backup and restore of the store while the service runs, with all file work in threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from workmill.domain.errors import InvalidInput
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import LENGTH, Reply, Request
from workmill.endpoint.request_body import body_chunks
from workmill.endpoint.temporary_files import check_room, scratch_folder

CHUNK_BYTES: Final = 256 * 1024
MAX_RESTORE_BYTES: Final = 64 * 1024**3
OCTETS: Final = "application/octet-stream"


async def backup(service: Service, _request: Request) -> Reply:
    """A complete, checked copy of the store."""
    async with scratch_folder(service.settings.directory) as folder:
        file = folder / "backup"
        await service.committer.backup(file)
        copy, size_bytes = await asyncio.to_thread(_open, file)
    reply = Reply.stream(_sent(copy), OCTETS)
    reply.headers.append((LENGTH, str(size_bytes).encode()))
    return reply


async def restore(service: Service, request: Request) -> Reply:
    """Replace everything by the backup in the body, after checking it."""
    async with scratch_folder(service.settings.directory) as folder:
        file = folder / "backup"
        await asyncio.to_thread(check_room, folder, request.content_length() or 0)
        async with closing_aside(await asyncio.to_thread(_create, file)) as sink:
            async for chunk in body_chunks(
                request, max_bytes=MAX_RESTORE_BYTES, seconds=service.settings.body_seconds
            ):
                await asyncio.to_thread(sink.write, chunk)
        with _named_for_its_sender(file):
            await service.committer.restore(file)
    service.idle.wake()
    return Reply.empty()


@contextmanager
def _named_for_its_sender(file: Path) -> Iterator[None]:
    """Who sent a backup that is refused knows it, and not the name that its copy has here."""
    try:
        yield
    except InvalidInput as refusal:
        raise InvalidInput(refusal.detail.replace(str(file), "The backup")) from refusal


async def _sent(copy: BinaryIO) -> AsyncIterator[bytes]:
    """The copy's bytes. Its name is gone already: the disk is free once this is closed."""
    async with closing_aside(copy):
        while chunk := await asyncio.to_thread(copy.read, CHUNK_BYTES):
            yield chunk


@asynccontextmanager
async def closing_aside(file: BinaryIO) -> AsyncIterator[BinaryIO]:
    """Close it in a thread: what is still in its buffer is written then, and a file without a name
    is freed, which takes long for a large one."""
    try:
        yield file
    finally:
        await asyncio.to_thread(_close, file)


def _open(file: Path) -> tuple[BinaryIO, int]:
    """The file and its size in bytes."""
    opened = file.open("rb")
    return opened, os.fstat(opened.fileno()).st_size


def _close(file: BinaryIO) -> None:
    file.close()


def _create(file: Path) -> BinaryIO:
    return file.open("wb")
