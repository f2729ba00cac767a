"""The embedded store: one file, one owner.

store       the facade: groups, fail-stop, one method a verb
file        who owns the file, how it is opened      schema   its tables, and why they are so
session     what every verb works with               sets     whole sets in and out of SQLite
books       counters and rising numbers              names    tenants, workloads, workers
work        running and known work by content        held     rows under the fenced verbs
submit, lease, progress, endings, cancel, results, reads, nodes, purge, backup: the verbs
"""

from workmill.store.sqlite.session import Bounds
from workmill.store.sqlite.store import SqliteStore

__all__ = ["Bounds", "SqliteStore"]
