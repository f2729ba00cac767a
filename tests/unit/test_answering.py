"""The tests' own server leaves nothing that another test would be blamed for."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest
from tests.answering import answering


@pytest.mark.parametrize("turns", range(6))
async def test_a_caller_who_has_just_come_is_let_go(turns: int) -> None:
    """Wherever the server is between the acceptance of a connection and its handler."""

    async def until_they_go(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with answering(until_they_go) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            for _ in range(turns):
                await asyncio.sleep(0)
    gc.collect()
