"""`GET /v1/events`: server-sent events (WHATWG HTML, section 9.2) for pages and progress bars.

`stats` comes once a second, `job` whenever a watched job (`id=...`, repeatable) has moved. While
the store does not answer, `stale` comes in the place of `stats`, with the age of the last figures.
A slow reader misses steps, never the latest state, and holds nothing up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from workmill.domain.errors import Unavailable
from workmill.endpoint import query_params
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.stats_poller import PULSE_SECONDS
from workmill.wire import codecs
from workmill.wire.messages import JobView, Stale

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
LATE_SECONDS: Final = 2 * PULSE_SECONDS
"""Without a reading for so long the stream looks by itself how old the last one is."""


async def events(service: Service, request: Request) -> Reply:
    """A stream that ends when the endpoint drains; readers connect again by themselves.

    Of a reader that has ended its sending nobody knows whether it still reads: its stream ends
    with the next figures, and is whole.
    """
    ids = query_params.WATCHED.read(request.query)
    if service.subscribers >= service.max_subscribers or service.watch.full:
        raise Unavailable("All event streams are taken. Retry later.", retry_after_seconds=5)
    stream = _stream(service, request, ids)
    first = await anext(stream)  # it counts from here on, before the next request is judged
    return Reply.stream(_whole(first, stream), EVENT_STREAM)


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in rest:
        yield event


async def _stream(service: Service, request: Request, ids: list[bytes]) -> AsyncIterator[bytes]:
    service.subscribers += 1
    try:
        with service.watch.following(ids) as watcher:
            yield _figures(service)
            reading = asyncio.ensure_future(service.pulse.next_reading())
            news = asyncio.ensure_future(watcher.news())
            try:
                while not service.draining:
                    done, _ = await asyncio.wait(
                        (reading, news),
                        return_when=asyncio.FIRST_COMPLETED,
                        timeout=LATE_SECONDS,
                    )
                    if news.done():
                        for job in news.result():
                            yield _event("job", JobView.of(job, service.pulse.eta_of(job)))
                        news = asyncio.ensure_future(watcher.news())
                    if reading.done() or not done:
                        yield _figures(service)
                        if request.exchange.sending_ended:
                            break
                    if reading.done():
                        reading = asyncio.ensure_future(service.pulse.next_reading())
            finally:
                reading.cancel()
                news.cancel()
    finally:
        service.subscribers -= 1


def _figures(service: Service) -> bytes:
    reading, age_seconds = service.pulse.latest(), service.pulse.age_seconds
    if reading is None or age_seconds is None:
        return _event("stale", Stale(age_seconds=age_seconds and round(age_seconds, 3)))
    return _event("stats", reading.view(age_seconds))


def _event(name: str, message: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), codecs.to_json(message))
