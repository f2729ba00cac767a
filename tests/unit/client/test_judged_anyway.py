"""What is wrong is told whether or not it is used, and a file that cannot be read by its name."""

from __future__ import annotations

import asyncio
import io
import math
import uuid
from pathlib import Path
from typing import Any

import pytest

from workmill.client import AsyncClient, Client
from workmill.client.async_client import AsyncHandle
from workmill.client.payload import payload
from workmill.client.sync_client import Handle
from workmill.client.upload import Source
from workmill.domain.errors import InvalidInput
from workmill.wire.messages import SubmitReply

ID = uuid.UUID("01936f3c-8d2a-7cc3-98c4-dc0c0c07398f")
WRONG_TIMES = [math.nan, "5", True, 10**400, b"1", object()]


@pytest.mark.parametrize("timeout_seconds", WRONG_TIMES, ids=map(str, range(len(WRONG_TIMES))))
@pytest.mark.parametrize("known", [{"value": "ab"}, {"problem": "It is wrong."}])
def test_a_time_is_judged_even_when_nobody_waits(
    timeout_seconds: Any, known: dict[str, Any]
) -> None:
    """Whether the value was known at the submit is chance: the mistake is told every time."""
    reply = SubmitReply(id=str(ID), status="done", **known)
    with Client("http://127.0.0.1:1") as client, pytest.raises(InvalidInput, match="timeout_seco"):
        Handle(client, reply).result(timeout_seconds)
    waiting = AsyncHandle(AsyncClient("http://127.0.0.1:1"), reply)
    with pytest.raises(InvalidInput, match="timeout_seco"):
        asyncio.run(waiting.result(timeout_seconds))


def test_a_time_that_is_over_does_not_hide_what_is_known() -> None:
    """It counts as no time, with and without a value."""
    reply = SubmitReply(id=str(ID), status="done", value="ab")
    with Client("http://127.0.0.1:1") as client:
        assert Handle(client, reply).result(-1.0) == b"\xab"


def _closed(stream: Any) -> Any:
    stream.close()
    return stream


def test_a_stream_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    """Closed, or open for writing only."""
    writing = (tmp_path / "w").open("wb")
    binary = tmp_path / "w"
    for stream in (_closed(io.BytesIO(b"x")), _closed(io.StringIO()), _closed(binary.open("rb"))):
        with pytest.raises(InvalidInput, match=r"stream is closed.*No job was stored"):
            _source(stream).begin()
    with writing, pytest.raises(InvalidInput, match="not open for reading"):
        _source(writing).begin()


def test_a_streams_own_error_stays_as_it_is() -> None:
    """Only what says that it is closed is."""

    class Odd:
        def read(self, _size: int) -> bytes:
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        _source(Odd()).begin()


def test_an_error_of_reading_has_the_files_name() -> None:
    """The system names it when it opens a file, and not when it reads it."""
    with pytest.raises(OSError, match="/proc/self/mem") as told:
        _source(Path("/proc/self/mem")).begin()
    assert told.value.filename == "/proc/self/mem"


def _source(data: object) -> Source:
    source = payload(data)
    assert isinstance(source, Source)
    return source
