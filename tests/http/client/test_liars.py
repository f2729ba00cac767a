"""Every call of both clients against every lie: our own errors only, in bounded time and memory."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.http.client.liars import LIES, OF_THE_RIGHT_JOB, serving

from workmill.client import AsyncClient
from workmill.domain.errors import EndpointUnreachable, WorkmillError

Make = Callable[..., AsyncClient]
ID = "01936f3c-8d2a-7cc3-98c4-dc0c0c07398f"
PATIENCE_SECONDS = 0.2
END_SECONDS = 60.0
"""By which every call has ended, on any machine. A call that does not end fails the test."""
MAX_GROWTH_KIB = 400 * 1024


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    """No more than a few: what a liar lists has no end."""
    found = []
    async for item in items:
        found.append(item)
        if len(found) > 20:
            break
    return found


def calls(client: AsyncClient, file: Path) -> dict[str, Awaitable[Any]]:
    """Everything that can be asked of a service."""
    file.write_bytes(b"x" * 600_000)
    return {
        "submit": client.submit(b"data", 1),
        "submit a file": client.submit(file, 1),
        "submit folded": client.submit(b"data", 1, fold_locally=True),
        "submit_many": _all(client.submit_many([b"a", b"b"], 1)),
        "submit_many, large": _all(client.submit_many([bytes(3_000_000)], 1)),
        "result": client.result(ID, 0.5),
        "job": client.job(ID),
        "jobs": _all(client.jobs()),
        "pull": client.pull(),
        "results": _all(client.results()),
        "acknowledge": client.acknowledge("ab"),
        "cancel": client.cancel(ID),
        "cancel_many": client.cancel_many([ID]),
        "stats": client.stats(),
        "nodes": client.nodes(),
    }


@pytest.mark.parametrize("name", LIES)
async def test_no_lie_leads_to_a_foreign_error(
    make_client: Make, tmp_path: Path, name: str
) -> None:
    """Each call ends, with an error of ours or with what a liar can say truly; and whatever comes
    is not gathered without bound."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(LIES[name]) as url:
        async with make_client(url, timeout_seconds=PATIENCE_SECONDS) as client:
            asked = calls(client, tmp_path / "file")
            ended = asyncio.gather(*asked.values(), return_exceptions=True)
            outcomes = await asyncio.wait_for(ended, END_SECONDS)
    for call, outcome in zip(asked, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, WorkmillError), (call, outcome)
            assert "\n" not in str(outcome), call
        else:
            assert call not in {"submit", "submit a file", "submit folded", "result", "job"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KIB


@pytest.mark.parametrize("name", OF_THE_RIGHT_JOB)
async def test_nothing_that_cannot_be_is_handed_on(make_client: Make, name: str) -> None:
    """A job that is done has a value, and a value is bytes."""
    with serving(OF_THE_RIGHT_JOB[name]) as url:
        async with make_client(url, timeout_seconds=PATIENCE_SECONDS) as client:
            with pytest.raises(WorkmillError):
                await client.result(ID, 0.3)


@pytest.mark.parametrize("lie", ["closes in its body", "is no http", "packed", "endless head"])
async def test_a_backup_from_a_liar_leaves_no_file(
    make_client: Make, tmp_path: Path, lie: str
) -> None:
    """Nor a piece of one."""
    with serving(LIES[lie]) as url:
        async with make_client(url, timeout_seconds=PATIENCE_SECONDS) as client:
            with pytest.raises(WorkmillError):
                await client.backup(tmp_path / "copy")
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240


@pytest.mark.parametrize("name", ["is no http", "closes", "is silent", "drips its head"])
async def test_what_speaks_no_tls_is_told_in_our_words(make_client: Make, name: str) -> None:
    """However slowly it says whatever it says instead."""
    with serving(LIES[name]) as url:
        secure = url.replace("http:", "https:")
        async with make_client(secure, timeout_seconds=PATIENCE_SECONDS) as client:
            with pytest.raises(EndpointUnreachable):
                await asyncio.wait_for(client.stats(), END_SECONDS)
