"""Items with code of their own, which may fail in any way, and bytes that can be read as well."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never

import pytest
from tests.http.client.live import Live
from tests.system.service_definition import advanced

from workmill import AsyncClient
from workmill.client import Work
from workmill.client.batches import prepared, refused
from workmill.domain.errors import InvalidInput

WAIT_SECONDS = 60.0
MakeClient = Callable[..., AsyncClient]


class OwnError(Exception):
    """Of the item's code; it fails even when it is printed."""

    def __str__(self) -> str:
        raise RuntimeError("not even that")


class Odd(os.PathLike[str]):
    """Fails in every way in which it may be used."""

    def _fails(self, *_given: object) -> Never:
        raise OwnError

    __fspath__ = __index__ = __str__ = _fails


class Reading:
    """A stream whose `read` raises."""

    def __init__(self, error: type[Exception], size_bytes: int = 0) -> None:
        self._error = error
        self._left = [b"x" * 65536] * (size_bytes // 65536)

    def read(self, _size: int) -> bytes:
        """What is left."""
        if self._left:
            return self._left.pop()
        raise self._error


class Hiding:
    """Raises where one looks what it is."""

    @property
    def read(self) -> Never:
        """Raise."""
        raise OwnError


def odd_items() -> list[Any]:
    """Each is refused by itself."""
    return [
        *(Odd(), Hiding(), Reading(OwnError), Reading(OwnError, 524288), Reading(StopIteration)),
        *(Work(b"", Odd()), Work(b"", 1, Odd()), Work(b"", 1, None, Odd())),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("fold_locally", [False, True])
async def test_whatever_an_items_own_code_raises_leaves_the_others_alone(
    live: Live, make_client: MakeClient, fold_locally: bool
) -> None:
    """Its handle has a problem, in words. The handles of those that were stored were lost once."""
    items = [b"a", *odd_items(), b"b"]
    async with make_client(live.url) as client:
        handles = [
            handle async for handle in client.submit_many(items, 1, fold_locally=fold_locally)
        ]
        assert [handle.problem is None for handle in handles] == [
            type(item) is bytes for item in items
        ]
        assert len([job async for job in client.jobs()]) == 2


def test_a_signal_is_no_word_about_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time limit that met the reading of one ends the call."""
    monkeypatch.setattr("workmill.client.batches.by_a_handler", lambda _error: True)
    with pytest.raises(OwnError):
        prepared([Work(Reading(OwnError), 1)], "sha512", fold_locally=False)
    with pytest.raises(TimeoutError):
        refused("id", TimeoutError())


@pytest.mark.parametrize("size_bytes", [0, 524288])
async def test_a_stream_that_ends_by_stop_iteration_makes_no_job(
    live: Live, make_client: MakeClient, size_bytes: int
) -> None:
    """Nor a handle of a job that is none."""
    async with make_client(live.url) as client:
        with pytest.raises(InvalidInput, match="StopIteration"):
            await client.submit(Reading(StopIteration, size_bytes), 1)
        assert [job async for job in client.jobs()] == []


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("size_bytes", [10, 500_000])
async def test_a_mapped_file_is_all_its_bytes_wherever_it_stands(
    live: Live, make_client: MakeClient, tmp_path: Path, size_bytes: int
) -> None:
    """It holds bytes, and can be read too: a second submit took what was left of it, nothing."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size_bytes))
    right = advanced(path.read_bytes(), 2)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        async with make_client(live.url) as client:
            for fold_locally in (False, True, False):
                handle = await client.submit(mapped, 2, fold_locally=fold_locally)
                assert await handle.result(WAIT_SECONDS) == right
            async for one in client.submit_many([mapped, mapped], 2):
                assert await one.result(WAIT_SECONDS) == right
        assert mapped.tell() == 0


async def test_what_is_no_handle_is_not_waited_for(live: Live, make_client: MakeClient) -> None:
    """An id, or a handle of the other client, which would give what nobody awaits."""
    async with make_client(live.url) as client:
        for wrong in ("id", None, 5):
            with pytest.raises(InvalidInput, match=r"result\(id\)"):
                await client.wait_all([wrong])  # type: ignore[list-item]
