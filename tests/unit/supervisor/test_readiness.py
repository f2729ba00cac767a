"""Waiting for a service to be ready."""

from __future__ import annotations

import asyncio

from tests.answering import answering

from workmill.supervisor.readiness import until_ready


async def test_only_200_is_ready() -> None:
    """Broken connections and 503 are asked again; 200 ends the wait, and nothing before it."""
    answers = [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"never asked"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /readyz ")
        writer.write(answers.pop(0))

    async with answering(answer) as port:
        await until_ready(f"http://127.0.0.1:{port}")
    assert answers == [b"never asked"]
