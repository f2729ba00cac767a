"""Partitions: one store that is made of several, each of which keeps its share of the work.

store       the facade: one method a verb            placement  which part takes what
group       one group over all parts at once         ages       one order for jobs of all parts
part        one part, its thread, its comings and goings
directory   where the job of an id is                merging    leases, results, pages in one order
receipts    one receipt for many parts               copying    backup and restore of all parts
opening     the parts together, each with its number
"""

from workmill.store.sharded.store import ShardedStore

__all__ = ["ShardedStore"]
