"""Collect finished work into a SQLite file: `collect.py FILE`, until nothing has come for 1 s.

Results are pulled under a receipt. What this process had not acknowledged when it died is handed
out again when the receipt runs out, so each result arrives at least once; the primary key makes it
once.
"""

import os
import sqlite3
import sys

from workmill import Client

URL = os.environ.get("WORKMILL_URL", "http://127.0.0.1:5000")

database = sqlite3.connect(sys.argv[1])
database.execute("CREATE TABLE IF NOT EXISTS results (id TEXT PRIMARY KEY, value BLOB)")
with Client(URL) as client:
    while batch := client.pull(top=500, wait_seconds=1, receipt_seconds=60):
        with database:  # committed here, and only then acknowledged
            rows = [(result.id, result.value) for result in batch]
            database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
        client.acknowledge(batch)
(count,) = database.execute("SELECT count(*) FROM results").fetchone()
print(f"{count} results are in {sys.argv[1]}")
