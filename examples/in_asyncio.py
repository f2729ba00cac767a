"""Await many jobs at once in an asyncio program: `in_asyncio.py`."""

import asyncio
import os

from workmill import AsyncClient

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")


async def main() -> None:
    async with AsyncClient(URL) as client:
        items = [f"item {number}".encode() for number in range(100)]
        jobs = [job async for job in client.submit_many(items, iterations=1000)]
        async with asyncio.timeout(60):
            values = await client.wait_all(jobs)
        for item, value in zip(items, values, strict=True):
            print(value.hex(), item.decode())


asyncio.run(main())
