"""The embedded store: one file, one owner.

store       the facade: groups, fail-stop, one method a verb
file        who owns the file, how it is opened      schema   its tables, and why they are so
session     what every verb works with               sets     whole sets in and out of SQLite
books       counters and rising numbers              names    tenants, workloads, workers
work        the index of work by content             known    results of finished work
held        rows under the fenced verbs              nodes    who is alive
served      the time by which leases run out

submit, lease, progress, endings, cancel, results, reads, purge, backup: the verbs
"""

from workmill.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
