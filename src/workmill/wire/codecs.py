"""Bytes to messages and back. Bad bytes become InvalidInput here and nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.wire.duplicate_names import names_of, refuse_pairs_twice

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"
OCTETS: Final = "application/octet-stream"

_UNREADABLE: Final = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    json.JSONDecodeError,
    RecursionError,
)
"""What decoding raises for bad bytes; the last for those that nest a thousand deep."""

_to_json = msgspec.json.Encoder()
_to_msgpack = msgspec.msgpack.Encoder()


def to_json(message: object) -> bytes:
    """UTF-8 JSON (RFC 8259)."""
    return _to_json.encode(message)


def to_msgpack(message: object) -> bytes:
    """MessagePack; bytes stay raw."""
    return _to_msgpack.encode(message)


def to_ndjson(messages: Iterable[object]) -> bytes:
    """One JSON object a line."""
    return _to_json.encode_lines(list(messages))


def from_json(data: bytes, kind: type[T]) -> T:
    """Decode JSON strictly into `kind`. Raises InvalidInput."""
    try:
        return msgspec.json.decode(data, type=kind)
    except _UNREADABLE as error:
        raise _refusal(error) from None


def from_callers_json(data: bytes, kind: type[S]) -> S:
    """As `from_json`, for what people write by hand: nothing is said twice. Raises InvalidInput."""
    message = from_json(data, kind)
    try:
        names_of(kind).check(data, message)
    except _UNREADABLE as error:
        raise _refusal(error) from None
    return message


def from_msgpack(data: bytes | memoryview, kind: type[T]) -> T:
    """Decode MessagePack strictly into `kind`. Raises InvalidInput."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except _UNREADABLE as error:
        raise _refusal(error) from None


def from_callers_msgpack(data: bytes | memoryview, kind: type[T]) -> T:
    """As `from_msgpack`, for a list of maps that other programs write: nothing is said twice.

    What is said once and briefly is as long as what we would write, which costs a tenth of reading
    it, in memory that is used again; only the rest is looked at pair by pair. Raises InvalidInput.
    """
    message = from_msgpack(data, kind)
    _to_msgpack.encode_into(message, _written.again)
    if len(_written.again) != len(data):
        try:
            refuse_pairs_twice(data)
        except _UNREADABLE as error:
            raise _refusal(error) from None
    return message


class _Written(threading.local):
    def __init__(self) -> None:
        self.again = bytearray()


_written = _Written()


def from_ndjson(data: bytes, kind: type[S], *, max_lines: int) -> list[S]:
    """Decode one JSON object a line, strictly, into a list of `kind`: nothing is said twice. Raises
    InvalidInput."""
    lines = data.rstrip().split(b"\n", max_lines)
    if len(lines) > max_lines:
        raise InvalidInput(f"The body has over {max_lines} lines. Nothing was changed. Send fewer.")
    lines = [line for line in lines if line.strip()]
    decode = msgspec.json.Decoder(kind).decode
    try:
        messages = [decode(line) for line in lines]
        check = names_of(kind).check
        for line, message in zip(lines, messages, strict=True):
            check(line, message)
    except _UNREADABLE as error:
        raise _refusal(error) from None
    return messages


def _refusal(error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The body cannot be read: {error}. Nothing was changed. Mend it and retry."
    )
