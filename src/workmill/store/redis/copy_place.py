"""Which shard of a store a backup is of.

The keys of the jobs do not tell: a job lies where its id was claimed first, which is not always
where its work belongs. So the books of each shard's backup say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_NUMBER, _SHARDS = b"shard", b"shards"


class ShardPlace(NamedTuple):
    """Its number, from 0 up, and of how many it is one."""

    number: int
    shards: int

    def words(self) -> list[bytes]:
        """Fields of the books, flat."""
        return [_NUMBER, b"%d" % self.number, _SHARDS, b"%d" % self.shards]

    def check(self, books: Mapping[bytes, bytes]) -> None:
        """Raises ValueError for the books of another shard. Those from before shards said so say
        nothing."""
        said = books.get(_NUMBER), books.get(_SHARDS)
        if said not in ((None, None), (b"%d" % self.number, b"%d" % self.shards)):
            raise ValueError("has not each part of its store once, in its place")
