"""Bytes to messages and back. Bad bytes become InvalidInput here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from workmill.domain.errors import InvalidInput

T = TypeVar("T")

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"
OCTETS: Final = "application/octet-stream"

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
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


def from_msgpack(data: bytes | memoryview, kind: type[T]) -> T:
    """Decode MessagePack strictly into `kind`. Raises InvalidInput."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except _UNREADABLE as error:
        raise _refusal(error) from None


def from_ndjson(data: bytes, kind: type[T], *, max_lines: int) -> list[T]:
    """Decode one JSON object a line, strictly, into a list of `kind`. Raises InvalidInput."""
    lines = data.rstrip().split(b"\n", max_lines)
    if len(lines) > max_lines:
        raise InvalidInput(f"The body has over {max_lines} lines. Nothing was changed. Send fewer.")
    decode = msgspec.json.Decoder(kind).decode
    try:
        return [decode(line) for line in lines if line.strip()]
    except _UNREADABLE as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> InvalidInput:
    return InvalidInput(
        f"The body cannot be read: {error}. Nothing was changed. Mend it and retry."
    )
