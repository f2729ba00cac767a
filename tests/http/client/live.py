"""A real endpoint over a real store, a stand-in for a worker, and a proxy that cuts replies off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.answering import answering
from tests.system.service_definition import advanced

from workmill.client.steps import Reply, Request, check
from workmill.client.sync_transport import Transport
from workmill.domain.job import Completion, Failure, Lease, LeaseRequest, Node
from workmill.endpoint.server import Endpoint
from workmill.endpoint.settings import EndpointSettings
from workmill.store.sqlite import SqliteStore
from workmill.wire import codecs, paths

READY_SECONDS = 100.0


class Live:
    """One endpoint in a thread, over the store in `directory`; it can be stopped and restarted."""

    def __init__(self, directory: Path, key: bytes | None = None) -> None:
        self._directory = directory
        self._key = key
        self.port = 0
        self.start()

    def start(self) -> None:
        """Serve, on the same port as before."""
        settings = EndpointSettings(port=self.port, key=self._key)
        self._endpoint = Endpoint(lambda: SqliteStore(self._directory), settings)
        self._thread = threading.Thread(target=self._endpoint.run)
        self._thread.start()
        assert self._endpoint.ready.wait(READY_SECONDS)
        self.url = self._endpoint.url.rstrip("/")
        self.port = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Drain, close the store, be gone."""
        self._endpoint.stop()
        self._thread.join(READY_SECONDS)
        assert not self._thread.is_alive()


class Hands:
    """Works off what is queued in a thread of its own, as a worker would, by hashlib."""

    def __init__(self, url: str) -> None:
        self._transport = Transport(url)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Work no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._transport.close()

    def _work(self) -> None:
        while not self._over.is_set():
            leases = self.lease(1000, wait_seconds=0.05)
            done = [Completion(id=job.id, token=job.token, state=_finished(job)) for job in leases]
            if done:
                self._tell(paths.WORK_COMPLETE, done)

    def lease(self, max_jobs: int, wait_seconds: float = 0.0) -> list[Lease]:
        """Take jobs without doing anything to them yet."""
        request = LeaseRequest(
            worker="hands",
            workloads=("sha512",),
            min_jobs=1,
            max_jobs=max_jobs,
            max_cost=10**9,
            lease_seconds=15.0,
        )
        reply = self._tell(paths.WORK_LEASE, request, {"wait": wait_seconds})
        return codecs.from_msgpack(reply.content, list[Lease])

    def fail(self, lease: Lease, reason: str) -> None:
        """Give a job up for good."""
        failure = Failure(id=lease.id, token=lease.token, reason=reason, retryable=False)
        self._tell(paths.WORK_FAIL, [failure])

    def beat(self) -> None:
        """Be seen alive."""
        node = Node(incarnation="0", role="worker", host="here", pid=1, version="0", rate_hz=1e6)
        self._tell(paths.BEAT, node)

    def _tell(
        self, path: str, message: object, query: dict[str, float | int | str] | None = None
    ) -> Reply:
        body = codecs.to_msgpack(message)
        return check(self._transport.send(Request("POST", path, query or {}, body, codecs.MSGPACK)))


def _finished(lease: Lease) -> bytes:
    return advanced(lease.state, lease.total - lease.done)


class CuttingProxy:
    """Forwards to an endpoint, but cuts the connection instead of giving the first `cuts` replies.

    The request has been carried out by then: the client cannot know, and must repeat it.
    """

    def __init__(self, upstream_port: int, cuts: int) -> None:
        self._upstream_port = upstream_port
        self.cuts = cuts

    async def __aenter__(self) -> Self:
        self._serving = answering(self._serve)
        self.url = f"http://127.0.0.1:{await self._serving.__aenter__()}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._serving.__aexit__(None, None, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        pumps = [
            asyncio.create_task(_pump(reader, back.write)),
            asyncio.create_task(_pump(there, lambda chunk: self._give(writer, chunk))),
        ]
        _, idle = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in idle:
            pump.cancel()
        back.close()
        await asyncio.gather(*pumps, back.wait_closed(), return_exceptions=True)

    def _give(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        if self.cuts:
            self.cuts -= 1
            writer.transport.abort()
            raise ConnectionAbortedError
        writer.write(chunk)


async def _pump(reader: asyncio.StreamReader, give: Callable[[bytes], None]) -> None:
    try:
        while chunk := await reader.read(65536):
            give(chunk)
    except ConnectionError:
        return
