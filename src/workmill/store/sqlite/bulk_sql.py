"""Whole sets into and out of SQLite in one step of its engine.

Theory. The store runs in a thread beside a busy event loop, and apsw lets go of the GIL at each
step of a statement. Getting it back may cost a switch interval, so what decides the speed is
how often it is handed over, not how many rows there are. A statement per job, or even a row
fetched per job, would hand it over a thousand times for a batch. Hence:

- one column goes in as an array (the carray extension);
- several columns go in as a VALUES list, padded with NULL rows to a power of two so that a
  few prepared statements serve every size;
- rows come out as one JSON text, aggregated inside SQLite. Bytes travel in it as hex.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, Generic, TypeAlias, TypeVar

import apsw
import msgspec

from workmill.store.sqlite.schema import sql

T = TypeVar("T")
Cell = int | str | bytes | None
Bound: TypeAlias = "Cell | apsw.CArrayBinding"

MAX_CACHED_BYTES: Final = 16_000
"""apsw keeps a statement prepared only while its text is under 16,384 bytes."""


class Row(msgspec.Struct, array_like=True, gc=False):
    """Base of rows that come out as a JSON array."""


def integers(numbers: Iterable[int]) -> apsw.CArrayBinding:
    """A column of integers; there must be at least one."""
    return apsw.carray(array("q", numbers))


def blobs(items: Iterable[bytes]) -> apsw.CArrayBinding:
    """A column of byte strings; there must be at least one."""
    return apsw.carray(tuple(items))


class Reader(Generic[T]):
    """A SELECT whose one cell is a JSON array of rows of `kind`."""

    def __init__(self, kind: type[T], text: str, **words: str) -> None:
        self._text = sql(text, **words)
        self._decode = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]

    def __call__(self, connection: apsw.Connection, *given: Bound) -> list[T]:
        return self._decode(connection.execute(self._text, given).get)


class Writer:
    """A statement over a `$rows` list of `columns` cells each, whatever the number of rows.

    The `given` cells come first in the text. Padding rows are NULL all over.
    """

    def __init__(self, columns: int, text: str) -> None:
        self._columns = columns
        self._text = text
        self._row = "(" + ",".join("?" * columns) + ")"
        fit = (MAX_CACHED_BYTES - len(text)) // (len(self._row) + 1)
        self._most = 1 << (fit.bit_length() - 1)
        self._sized = cache(self._of_size)

    def __call__(
        self, connection: apsw.Connection, rows: Sequence[Sequence[Cell]], *given: Cell
    ) -> None:
        for start in range(0, len(rows), self._most):
            part = rows[start : start + self._most]
            size = 1 << (len(part) - 1).bit_length()
            padding = (None,) * (self._columns * (size - len(part)))
            connection.execute(self._sized(size), (*given, *chain.from_iterable(part), *padding))

    def _of_size(self, size: int) -> str:
        return sql(self._text, rows=",".join([self._row] * size))


def one(connection: apsw.Connection, text: str, *given: Bound) -> Any:
    """The only cell of the only row; None when there is no row."""
    return connection.execute(text, given).get
