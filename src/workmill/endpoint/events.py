"""`GET /v1/events`: server-sent events (WHATWG HTML, section 9.2) for pages and progress bars.

`stats` comes once a second, `job` whenever a watched job (`id=...`, repeatable) has moved.
A slow reader misses steps, never the latest state, and holds nothing up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from workmill.domain.errors import InvalidInput, Unavailable
from workmill.domain.ids import parse_id
from workmill.endpoint import params
from workmill.endpoint.http import Reply, Request
from workmill.endpoint.service import Service
from workmill.wire import codecs
from workmill.wire.messages import JobView

MAX_WATCHED_JOBS: Final = 100
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


async def events(service: Service, request: Request) -> Reply:
    """A stream that ends when the endpoint drains; readers connect again by themselves.

    Of a reader that has ended its sending nobody knows whether it still reads: its stream ends
    with the next figures, and is whole.
    """
    texts = params.parse_query(request.query).get("id", [])
    if len(texts) > MAX_WATCHED_JOBS:
        raise InvalidInput(f"One stream watches at most {MAX_WATCHED_JOBS} jobs.")
    ids = [parse_id(text) for text in texts]
    if service.subscribers >= service.settings.max_subscribers or service.watch.full:
        raise Unavailable("All event streams are taken. Retry later.", retry_after_seconds=5)
    return Reply.stream(_stream(service, request, ids), EVENT_STREAM)


async def _stream(service: Service, request: Request, ids: list[bytes]) -> AsyncIterator[bytes]:
    service.subscribers += 1
    try:
        with service.watch.following(ids) as watcher:
            yield _event("stats", service.pulse.view())
            reading = asyncio.ensure_future(service.pulse.next_reading())
            news = asyncio.ensure_future(watcher.news())
            try:
                while not service.draining:
                    await asyncio.wait((reading, news), return_when=asyncio.FIRST_COMPLETED)
                    if news.done():
                        for job in news.result():
                            yield _event("job", JobView.of(job, service.pulse.eta_of(job)))
                        news = asyncio.ensure_future(watcher.news())
                    if reading.done():
                        yield _event("stats", service.pulse.view())
                        if request.exchange.sending_ended:
                            break
                        reading = asyncio.ensure_future(service.pulse.next_reading())
            finally:
                reading.cancel()
                news.cancel()
    finally:
        service.subscribers -= 1


def _event(name: str, message: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), codecs.to_json(message))
