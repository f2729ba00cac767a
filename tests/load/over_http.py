"""Ways over HTTP: with the SDK, and without."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from tests.load.load_clients import Failed, Range, Submit, Take, Work, new_works
from tests.system.processes import PATIENCE_SECONDS

from workmill import Client
from workmill.domain.errors import Unavailable

PULL_JOBS = 1000
PULL_WAIT_SECONDS = 0.5
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Sdk:
    """The SDK with one URL or several; it repeats by itself, for `patience_seconds`, and what it
    gives up then has failed. A pull is never given up: that ends the load."""

    urls: str | Sequence[str]
    iterations: Range = (100, 9000)
    receipt_seconds: float = 30.0
    patience_seconds: float = PATIENCE_SECONDS
    kind: ClassVar[str] = "sdk"
    repeats: ClassVar[bool] = False
    between_seconds: ClassVar[float] = 0.0

    def works(self, chance: random.Random) -> list[Work]:
        return new_works(chance, self.iterations)

    @contextmanager
    def submitting(self, over: threading.Event) -> Iterator[Submit]:
        del over
        with Client(self.urls, timeout_seconds=self.patience_seconds) as client:

            def submit(works: Sequence[Work]) -> list[str]:
                try:
                    return [client.submit(work.id, work.iterations).id for work in works]
                except Unavailable as error:
                    raise Failed(type(error).__name__) from error

            yield submit

    @contextmanager
    def pulling(self, over: threading.Event) -> Iterator[Callable[[Take], None]]:
        del over
        with Client(self.urls, timeout_seconds=PATIENCE_SECONDS) as client:

            def pull(take: Take) -> None:
                batch = client.pull(
                    PULL_JOBS,
                    receipt_seconds=self.receipt_seconds,
                    wait_seconds=PULL_WAIT_SECONDS,
                )
                take((result.id, result.value.hex()) for result in batch)
                if batch:
                    client.acknowledge(batch)

            yield pull


@dataclass(frozen=True)
class Raw:
    """A caller without an SDK: one connection, the next request after the answer, in turns under
    an id of its own and without one. Nothing is repeated: what is not answered with 200 has failed.
    """

    url: str
    iterations: Range = (1, 1)
    kind: ClassVar[str] = "raw"
    repeats: ClassVar[bool] = False
    between_seconds: ClassVar[float] = 0.0

    def works(self, chance: random.Random) -> list[Work]:
        return new_works(chance, self.iterations)

    @contextmanager
    def submitting(self, over: threading.Event) -> Iterator[Submit]:
        del over
        place = urlsplit(self.url).netloc
        named = itertools.cycle((False, True))
        with closing(http.client.HTTPConnection(place, timeout=ANSWER_SECONDS)) as connection:

            def submit(works: Sequence[Work]) -> list[str]:
                return [_put(connection, work, named=next(named)) for work in works]

            yield submit


def _put(connection: http.client.HTTPConnection, work: Work, *, named: bool) -> str:
    path = f"/v1/jobs/{work.name}" if named else "/enqueue"
    try:
        connection.request("PUT", f"{path}?iterations={work.iterations}", work.id)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Failed(repr(error)) from error
    if answer.status != http.HTTPStatus.OK:
        raise Failed(f"{answer.status} to {path[:8]}")
    return str(json.loads(body)["id"])
