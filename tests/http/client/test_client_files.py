"""Files and streams as data: what is stored is what was read, whole, or nothing."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from tests.http.client.liars import LIES, serving
from tests.http.client.live import Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient, AsyncHandle, Data, Work
from workmill.client.batches import BATCH_BYTES
from workmill.client.upload import CHUNK_BYTES, Source
from workmill.domain.errors import (
    BodyTooLarge,
    EndpointUnreachable,
    InvalidInput,
    WorkmillError,
)
from workmill.domain.limits import MAX_BODY_BYTES

Make = Callable[..., AsyncClient]
WAIT_SECONDS = 60.0
LARGE = bytes(range(256)) * (3 * CHUNK_BYTES // 256)


class Grows(io.BytesIO):
    """A stream that gives a little at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 1000))


def piped(content: bytes, folder: Path) -> Path:
    """A named pipe that somebody fills once."""
    path = folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return path


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("fold_locally", [False, True])
@pytest.mark.parametrize("kind", ["proc", "small pipe", "large pipe", "stream", "link", "exact"])
async def test_a_file_is_streamed_as_it_is(
    make_client: Make, live: Live, tmp_path: Path, kind: str, fold_locally: bool
) -> None:
    """Whatever its size is said to be."""
    content = {"small pipe": b"small", "exact": LARGE[:CHUNK_BYTES]}.get(kind, LARGE)
    file = tmp_path / "file"
    file.write_bytes(content)
    data: Data = file
    if kind == "proc":
        data = Path("/proc/version")
        content = data.read_bytes()
    elif "pipe" in kind:
        data = piped(content, tmp_path)
    elif kind == "stream":
        data = Grows(content)
    elif kind == "link":
        data = tmp_path / "link"
        data.symlink_to(file)
    async with make_client(live.url) as client:
        handle = await client.submit(data, 3, fold_locally=fold_locally)
        assert await handle.result(WAIT_SECONDS) == advanced(content, 3)
        assert (await client.stats()).stats.submitted_total == 1


@pytest.mark.parametrize("how", ["grows", "shrinks", "is written to"])
async def test_a_file_that_changes_meanwhile_makes_no_job(
    make_client: Make, live: Live, tmp_path: Path, how: str
) -> None:
    """Nothing is stored over a part of it, and that is said."""
    file = tmp_path / "file"
    file.write_bytes(LARGE)

    def change(_done_bytes: int) -> None:
        if how == "grows":
            with file.open("ab") as more:
                more.write(b"more")
        elif how == "shrinks":
            os.truncate(file, CHUNK_BYTES + 1)
        else:
            os.utime(file, ns=(1, 1))

    async with make_client(live.url) as client:
        with pytest.raises(InvalidInput, match="written to while it was read"):
            await client.submit(file, 1, heard=change)
        assert (await client.stats()).stats.submitted_total == 0


async def test_a_repeat_sends_the_same_or_nothing(make_client: Make, tmp_path: Path) -> None:
    """A file that was replaced between two attempts is not sent under the first one's id."""
    file = tmp_path / "file"
    file.write_bytes(LARGE)

    def replace(_done_bytes: int) -> None:
        (tmp_path / "new").write_bytes(bytes(len(LARGE)))
        (tmp_path / "new").replace(file)

    with serving(LIES["closes"]) as url:
        async with make_client(url, timeout_seconds=WAIT_SECONDS) as client:
            with pytest.raises(InvalidInput, match="written to"):
                await client.submit(file, 1, heard=replace)


def test_a_small_file_is_read_once_for_all_attempts(tmp_path: Path) -> None:
    """So that every attempt sends the same."""
    file = tmp_path / "file"
    file.write_bytes(b"first")
    source = Source(file)
    assert b"".join(source.chunks()) == b"first"
    file.write_bytes(b"second")
    assert b"".join(source.chunks()) == b"first"


async def test_a_stream_is_not_sent_twice(make_client: Make) -> None:
    """Its bytes are gone: the failure itself is told, without another attempt."""
    with serving(LIES["closes"]) as url:
        async with make_client(url, timeout_seconds=WAIT_SECONDS) as client:
            with pytest.raises(EndpointUnreachable, match="not known"):
                await client.submit(io.BytesIO(LARGE), 1)


@pytest.mark.usefixtures("hands")
async def test_a_stream_that_nobody_took_from_is_still_whole(make_client: Make, live: Live) -> None:
    """An address that takes no connection costs nothing of it."""
    async with make_client(["http://127.0.0.1:1", live.url]) as client:
        handle = await client.submit(io.BytesIO(LARGE), 2)
        assert await handle.result(WAIT_SECONDS) == advanced(LARGE, 2)


@pytest.mark.parametrize("kind", ["zero", "file", "stream"])
async def test_what_is_too_large_is_refused_early(
    make_client: Make, live: Live, tmp_path: Path, kind: str
) -> None:
    """Long before all of it was sent, by the endpoint's own word; an endless device, too."""
    file = tmp_path / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate(2 * 1024**3)
    heard: list[int] = []
    with file.open("rb") as stream:
        kinds: dict[str, Data] = {"zero": Path("/dev/zero"), "file": file, "stream": stream}
        async with make_client(live.url, timeout_seconds=5.0) as client:
            with pytest.raises(BodyTooLarge):
                await client.submit(kinds[kind], 1, heard=heard.append)
            assert (await client.stats()).stats.submitted_total == 0
    assert max(heard, default=0) < 200 * MAX_BODY_BYTES


async def test_the_callers_own_errors_come_as_they_are(
    make_client: Make, live: Live, tmp_path: Path
) -> None:
    """Those of the file, and those of the function that hears how far it is. No job is left."""
    file = tmp_path / "file"
    file.write_bytes(LARGE)

    def fails(_done_bytes: int) -> None:
        raise ZeroDivisionError

    async with make_client(live.url) as client:
        with pytest.raises(FileNotFoundError):
            await client.submit(tmp_path / "none", 1)
        with pytest.raises(IsADirectoryError):
            await client.submit(tmp_path, 1)
        with pytest.raises(ZeroDivisionError):
            await client.submit(file, 1, heard=fails)
        with pytest.raises(OSError, match="No such file"):
            await client.restore(tmp_path / "none")
        assert (await client.stats()).stats.submitted_total == 0


@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("fold_locally", [False, True])
async def test_items_that_are_wrong_leave_all_others_alone(
    make_client: Make, live: Live, tmp_path: Path, fold_locally: bool
) -> None:
    """Among many, each refusal has a handle with a problem in its place, and every id is known."""
    (tmp_path / "large").write_bytes(bytes(BATCH_BYTES + 1))
    wrong: list[Data | Work] = [
        Work(b"x", 1, "no uuid"),
        Work(b"x", "many"),  # type: ignore[arg-type]
        Work(b"x", 10**5000),
        Work(b"x", 1, priority=1.5),  # type: ignore[arg-type]
        tmp_path / "none",
        tmp_path,
        5,  # type: ignore[list-item]
        "text",  # type: ignore[list-item]
        None,  # type: ignore[list-item]
        Path("a\0b"),
    ]
    good: list[Data | Work] = [b"%d" % number for number in range(1200)]
    expected = advanced(Path("/proc/version").read_bytes(), 2)  # noqa: ASYNC240
    items = [*good[:700], *wrong, Path("/proc/version"), *good[700:]]
    if not fold_locally:
        items.append(tmp_path / "large")
        wrong.append(b"")
    async with make_client(live.url) as client:
        handles = await _all(client.submit_many(items, 2, fold_locally=fold_locally))
        assert len(handles) == len(items)
        assert sum(handle.problem is not None for handle in handles) == len(wrong)
        assert all(handle.problem for handle in handles[700:710])
        for handle in handles[700:710]:
            with pytest.raises(WorkmillError):
                await handle.result(0.0)
        assert (await client.stats()).stats.submitted_total == len(good) + 1
        assert await handles[710].result(WAIT_SECONDS) == expected
        assert len({handle.id for handle in handles}) == len(items)


async def test_what_a_callers_iterable_raises_comes_after_what_it_gave(
    make_client: Make, live: Live
) -> None:
    """The handles of all items that were taken come first."""

    def breaks() -> object:
        yield from (b"%d" % number for number in range(1500))
        raise ZeroDivisionError

    handles = []
    async with make_client(live.url) as client:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async for handle in client.submit_many(breaks(), 1):  # type: ignore[arg-type]
                handles.append(handle)  # noqa: PERF401  what came before the exception counts
        assert len(handles) == (await client.stats()).stats.submitted_total == 1500


async def _all(items: AsyncIterator[AsyncHandle]) -> list[AsyncHandle]:
    return [item async for item in items]


def test_a_body_that_ends_early_makes_no_job(live: Live) -> None:
    """What the endpoint does with it, by length and in chunks."""
    for head in (b"content-length: 100000", b"transfer-encoding: chunked"):
        with socket.create_connection(("127.0.0.1", live.port)) as line:
            body = b"5\r\nhello\r\n" if b"chunked" in head else b"hello"
            line.sendall(b"PUT /enqueue?iterations=1 HTTP/1.1\r\nhost: a\r\n" + head + b"\r\n\r\n")
            line.sendall(body)
    assert httpx.get(f"{live.url}/v1/stats").json()["stats"]["submitted_total"] == 0
