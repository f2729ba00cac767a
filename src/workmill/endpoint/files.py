"""Backup and restore of the store while the service runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from workmill.endpoint.body import body_chunks
from workmill.endpoint.http import LENGTH, Reply, Request
from workmill.endpoint.scratch import check_room, scratch_folder
from workmill.endpoint.service import Service

CHUNK_BYTES: Final = 256 * 1024
MAX_RESTORE_BYTES: Final = 64 * 1024**3
OCTETS: Final = "application/octet-stream"


async def backup(service: Service, _request: Request) -> Reply:
    """A complete, checked copy of the store."""
    with scratch_folder(service.settings.directory) as folder:
        file = folder / "backup"
        await service.committer.backup(file)
        copy = await asyncio.to_thread(_open, file)
    reply = Reply.stream(_sent(copy), OCTETS)
    reply.headers.append((LENGTH, str(os.fstat(copy.fileno()).st_size).encode()))
    return reply


async def restore(service: Service, request: Request) -> Reply:
    """Replace everything by the backup in the body, after checking it."""
    with scratch_folder(service.settings.directory) as folder:
        file = folder / "backup"
        check_room(folder, request.content_length() or 0)
        sink = await asyncio.to_thread(_create, file)
        with sink:
            async for chunk in body_chunks(
                request, max_bytes=MAX_RESTORE_BYTES, seconds=service.settings.body_seconds
            ):
                await asyncio.to_thread(sink.write, chunk)
        await service.committer.restore(file)
    service.idle.wake()
    return Reply.empty()


async def _sent(copy: BinaryIO) -> AsyncIterator[bytes]:
    """The copy's bytes. Its name is gone already: the disk is free once this is closed."""
    with copy:
        while chunk := await asyncio.to_thread(copy.read, CHUNK_BYTES):
            yield chunk


def _open(file: Path) -> BinaryIO:
    return file.open("rb")


def _create(file: Path) -> BinaryIO:
    return file.open("wb")
