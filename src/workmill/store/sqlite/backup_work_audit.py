"""Whether the states of a backup are what its keys and its workloads say.

Sizes are asked of all jobs at once; those at their first iteration are hashed one by one. That is
most of what an audit costs, so it reads the backup through a connection of its own, in a thread
beside the copying, which leaves the interpreter to it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from workmill.domain.job import content_hash
from workmill.store.initial_states import Kind, kind_of
from workmill.store.sqlite.schema import sql

_NAMES: Final = "SELECT number, name FROM names"
_SIZES: Final = "SELECT DISTINCT tenant << 32 | workload, length(state) FROM jobs"
_FIRST: Final = sql("""
    SELECT state, key, tenant << 32 | workload FROM jobs
    WHERE (status IN ($queued, $leased, $attached) AND done = 1)
        OR (status IN ($done, $pulled, $delivered) AND total = 1)""")
_TENANT_SHIFT: Final = 32
_WORKLOAD: Final = 2**_TENANT_SHIFT - 1


def contradiction_of_work(file: Path) -> str | None:
    """What cannot be in this backup, in words; None when all is well. Raises KeyError or
    UnicodeDecodeError where names are missing or are no text, which `backup_audit` finds, too."""
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return _contradiction(connection)


def _contradiction(connection: apsw.Connection) -> str | None:
    kinds, met, ending = _Kinds(connection), -1, b""
    for number, size in connection.execute(_SIZES):
        if size != kinds.size(number, size):
            return f"holds states of {size} bytes, which their workload does not have"
    for state, key, number in connection.execute(_FIRST):
        if number != met:
            met, ending = number, kinds[number].ending
        if content_hash(state + ending).digest() != key:
            return "holds jobs whose work is not what their keys say"
    return None


class _Kinds(dict[int, Kind]):
    """By tenant and workload in one number; each is made when it is met."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__()
        self._names = {int(number): str(name) for number, name in connection.execute(_NAMES)}
        self._sizes: dict[int, int] = {}

    def __missing__(self, number: int) -> Kind:
        tenant, workload = number >> _TENANT_SHIFT, number & _WORKLOAD
        made = self[number] = kind_of(self._names[tenant], self._names[workload])
        return made

    def size(self, number: int, met: int) -> int:
        """Of the states of a workload; where it is not installed as many bytes as the first one."""
        return self[number].state_bytes or self._sizes.setdefault(number & _WORKLOAD, met)
