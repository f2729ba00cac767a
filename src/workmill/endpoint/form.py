"""The data inside multipart/form-data (RFC 7578), folded while it streams by.

Which part is the data: the file named `data`, else the file named `file`, else the first
file, else the only text field. The choice is known for sure at the end alone, so the best
part so far is folded and dropped when a better one begins; nothing is ever kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from python_multipart.multipart import MultipartParser, parse_options_header

from workmill.domain.errors import InvalidInput
from workmill.endpoint.http import too_large
from workmill.workloads.port import Folding, Workload

MAX_PARTS = 100
MAX_REASON_CHARACTERS = 200

logging.getLogger("python_multipart").addHandler(logging.NullHandler())
"""What it would warn of is in the answer; the log is ours, and structured."""


class _Rank(IntEnum):
    NOTHING = 0
    TEXT = 1
    DATA_TEXT = 2
    FIRST_FILE = 3
    FILE = 4
    DATA = 5


class FormFolding:
    """One form on its way in; no part of it may be larger than `max_bytes`."""

    def __init__(self, content_type: bytes, workload: Workload, max_bytes: int) -> None:
        """Raises InvalidInput when the form names no boundary, or one that cannot be."""
        self._workload = workload
        with _translated():
            _, options = parse_options_header(content_type)
            boundary = options.get(b"boundary")
            if not boundary:
                raise _refusal("it names no boundary")
            self._parser = self._new_parser(boundary)
        self._max_bytes = max_bytes
        self._best = _Rank.NOTHING
        self._folding: Folding | None = None
        self._taking = False
        self._texts = self._parts = 0
        self._name = self._value = b""
        self._disposition = b""
        self._ended = False
        self._part_bytes = 0

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the form. Raises InvalidInput when it is malformed."""
        with _translated():
            self._parser.write(chunk)

    def digest(self) -> bytes:
        """The first state of the chosen part. Raises InvalidInput when there is no choice."""
        if not self._ended:
            raise _refusal("it breaks off before its last boundary")
        if self._folding is None:
            raise _refusal("it has no part")
        if self._best is _Rank.TEXT and self._texts > 1:
            raise _refusal("it has several text fields and no file: name the data's part `data`")
        return self._folding.digest()

    def _new_parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_end": self._end,
            },
        )

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _refusal(f"it has more than {MAX_PARTS} parts")
        self._disposition = b""
        self._part_bytes = 0

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        rank = self._rank()
        self._taking = rank > self._best
        if self._taking:
            self._best = rank
            self._folding = self._workload.folding()

    def _rank(self) -> _Rank:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        if b"filename" not in options and b"filename*=" not in self._disposition:
            self._texts += 1
            return _Rank.DATA_TEXT if name == b"data" else _Rank.TEXT
        return {b"data": _Rank.DATA, b"file": _Rank.FILE}.get(name, _Rank.FIRST_FILE)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._part_bytes += end - start
        if self._part_bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        if self._taking and self._folding is not None:
            self._folding.update(data[start:end])

    def _end(self) -> None:
        self._ended = True


@contextmanager
def _translated() -> Iterator[None]:
    """The parser's errors become ours. Its own are ValueErrors; the others are what reading bytes
    that nobody foresaw ends in."""
    try:
        yield
    except (ValueError, LookupError, AssertionError) as error:
        raise _refusal(str(error)[:MAX_REASON_CHARACTERS] or "it is malformed") from None


def _refusal(what: str) -> InvalidInput:
    return InvalidInput(
        f"The multipart form cannot be used: {what}. Nothing was stored. Send the data as the "
        "plain body, or as a file part named `data`."
    )
