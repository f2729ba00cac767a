"""The data inside multipart/form-data (RFC 7578), folded while it streams by.

Which part is the data: the file named `data`, else the file named `file`, else the first
file, else the only text field. The choice is known for sure at the end alone, so the best
part so far is folded and dropped when a better one begins; nothing is ever kept. A form that
could be read in two ways (two files named `data`, a part with two names, two boundaries, or data
encoded once more) is refused: of two readings one computes over bytes that nobody meant.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

from python_multipart.multipart import MultipartParser, parse_options_header

from workmill.domain.errors import InvalidInput
from workmill.endpoint.handlers import too_large
from workmill.workloads.port import Folding, Workload

MAX_PARTS = 100
MAX_REASON_CHARACTERS = 200
_FORM: Final = re.compile(rb"multipart/form-data[ \t]*(?:;|\Z)", re.IGNORECASE)
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_PARAMETER: Final = re.compile(rb";[ \t]*([^=; \t]++)[ \t]*=")
_FILE_NAME: Final = re.compile(rb";[ \t]*filename\*", re.IGNORECASE)
"""The extended spelling, which the parser leaves out: RFC 7578, section 4.2, does not allow it."""
_AS_IT_IS: Final = frozenset({b"", b"7bit", b"8bit", b"binary"})
"""Transfer encodings that change nothing (RFC 2045, section 6.2)."""

logging.getLogger("python_multipart").addHandler(logging.NullHandler())
"""What it would warn of is in the answer; the log is ours, and structured."""


class _Rank(IntEnum):
    NOTHING = 0
    TEXT = 1
    DATA_TEXT = 2
    FIRST_FILE = 3
    FILE = 4
    DATA = 5


_NAMES: Final = {_Rank.DATA_TEXT: "data", _Rank.FILE: "file", _Rank.DATA: "data"}


def is_form(content_type: bytes) -> bool:
    """Whether a body of this type is opened, and not the data itself."""
    return _FORM.match(content_type) is not None


class FormFolding:
    """One form on its way in; no part of it may be larger than `max_bytes`."""

    def __init__(self, content_type: bytes, workload: Workload, max_bytes: int) -> None:
        """Raises InvalidInput when the form names no boundary, or one that cannot be."""
        self._workload = workload
        with _translated():
            boundary = _options(content_type).get(b"boundary")
            if not boundary:
                raise _refusal("it names no boundary")
            self._parser = self._new_parser(boundary)
        self._max_bytes = max_bytes
        self._best = _Rank.NOTHING
        self._folding: Folding | None = None
        self._taking = False
        self._rivals = self._parts = 0
        self._name = self._value = b""
        self._disposition: bytes | None = None
        self._coding = self._best_coding = b""
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
        if self._rivals > 1 and self._best is _Rank.TEXT:
            raise _refusal("it has several text fields and no file: name the data's part `data`")
        if self._rivals > 1 and self._best is not _Rank.FIRST_FILE:
            raise _refusal(f"it has several parts named `{_NAMES[self._best]}`")
        if self._best_coding not in _AS_IT_IS:
            raise _refusal("its data is encoded once more (Content-Transfer-Encoding)")
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
        self._disposition, self._coding = None, b""
        self._part_bytes = 0

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        name = self._name.lower()
        if name == b"content-disposition":
            if self._disposition is not None:
                raise _refusal("a part of it has two names")
            self._disposition = self._value
        elif name == b"content-transfer-encoding":
            self._coding = self._value.strip(b" \t").lower()
        self._name = self._value = b""

    def _headers_end(self) -> None:
        rank = self._rank()
        self._taking = rank > self._best
        if self._taking:
            self._best, self._best_coding, self._rivals = rank, self._coding, 0
            self._folding = self._workload.folding()
        self._rivals += rank == self._best

    def _rank(self) -> _Rank:
        disposition = self._disposition or b""
        options = _options(disposition)
        name = options.get(b"name", b"")
        if b"filename" not in options and not _FILE_NAME.search(_QUOTED.sub(b"", disposition)):
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


def _options(header: bytes) -> dict[bytes, bytes]:
    """The parameters of a header. Raises InvalidInput when one is said twice: readers differ in
    which of them counts."""
    names = [name.lower() for name in _PARAMETER.findall(_QUOTED.sub(b"", header))]
    if len(set(names)) < len(names):
        raise _refusal("a parameter stands in a header of it twice")
    return parse_options_header(header)[1]


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
