"""Which shard of a store a backup is of.

The keys of the jobs do not tell: a job lies where its id was claimed first, which is not always
where its work belongs. So the books of each backup say it: of a store of one Redis, too, for else
one shard of several would pass for a whole store. Beside it stands a name that all shards of one
backup share: two backups of one store, put together, would have jobs twice or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

_NUMBER, _SHARDS, _BACKUP = b"shard", b"shards", b"backup"


class ShardPlace(NamedTuple):
    """Its number, from 0 up, and of how many it is one."""

    number: int
    shards: int
    backup: bytes = b""
    """The same in all shards of one backup, and in no other."""

    def words(self) -> list[bytes]:
        """Fields of the books, flat."""
        said = (_NUMBER, b"%d" % self.number, _SHARDS, b"%d" % self.shards)
        return [*said, _BACKUP, self.backup]

    def check(self, books: Mapping[bytes, bytes]) -> bytes:
        """The name of the backup. Raises ValueError for the books of another shard, and for those
        from before they said which one they are of."""
        said = books.get(_NUMBER), books.get(_SHARDS)
        if None in (*said, books.get(_BACKUP)):
            raise ValueError(
                "does not say which part of a store it is of, or that it is all of it: it was made "
                "before backups said so"
            )
        if said != (b"%d" % self.number, b"%d" % self.shards):
            raise ValueError("has not each part of its store once, in its place")
        return books[_BACKUP]


ALONE: Final = ShardPlace(0, 1)
"""A store of one Redis."""
