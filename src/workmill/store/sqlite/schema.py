"""The shape of the file and of the memory beside it.

Theory. Content keys are random, so an index over them on disk would dirty one page for each
job that comes or goes. Therefore the file holds only what grows at one end: jobs under a rising
`seq`, known work under the `seq` of the job that computed it, and small indexes ordered by age.
The one index with random access, (key, total) -> `seq`, lives in a `:memory:` database beside it
(see `content_index`), and a scan of the file fills it again at open. Even in
memory a random access costs several microseconds once there are a million entries, so running
and known work share the index: a job that is done becomes known work under the same entry, and a
completion does not touch it at all.

A row of `jobs` keeps its width through its life, because a row that grows splits its page.
So columns that are filled in later are born with a value of the same width: `holder` is NOBODY,
`until_ms` and `ended_at_ms` are the time of the submit, and `status` codes start at 2, since
SQLite stores 0 and 1 in no byte at all. `done` is not rewritten when a job is done.

    column        means
    holder        LEASED: a number in `workers`; PULLED: the number of the receipt
    until_ms      when the status runs out: lease, receipt or retention
    rank          the priority negated, so that the most urgent job sorts first
    leader        ATTACHED: the `seq` of the job whose result this one waits for, or UNPLACED
"""

from __future__ import annotations

from functools import cache
from string import Template
from typing import Final

from workmill.domain.lifecycle import Status, Verb, after

APPLICATION_ID: Final = 0x576D696C
"""`Wmil` in ASCII; SQLite keeps it in the header of the file."""
OPEN_ID: Final = 0x576D6F70
"""`Wmop`: the same place in a store whose log is needed; see `mark`."""
BACKUP_ID: Final = 0x576D626B
"""`Wmbk`: the same place in a backup."""
SCHEMA_VERSION: Final = 1

NOBODY: Final = 1 << 24
"""Holders are numbered from here up: four bytes each, as long as there are under 2^31."""

UNPLACED: Final = 0
"""The leader of a job whose work could not be looked up yet; see `index_filling`."""

STATUSES: Final = (
    Status.QUEUED,
    Status.ATTACHED,
    Status.LEASED,
    Status.DONE,
    Status.PULLED,
    Status.DELIVERED,
    Status.FAILED,
    Status.CANCELLED,
)
CODES: Final = {status: code for code, status in enumerate(STATUSES, start=2)}
"""Status -> its number in the file. Those after ATTACHED have an `until_ms` that counts."""
BY_CODE: Final = {code: status for status, code in CODES.items()}


@cache
def code_after(status: Status, verb: Verb) -> int:
    """The code of what the lifecycle table says follows. Raises KeyError when it refuses."""
    return CODES[after(status, verb)]


def sql(text: str, **words: str) -> str:
    """SQL with each `$status` replaced by its code: partial indexes want literal numbers."""
    return Template(text).substitute({str(s): str(c) for s, c in CODES.items()}, **words)


FILE: Final = sql("""
CREATE TABLE jobs(
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    status INTEGER NOT NULL,
    holder INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    submitted_at_ms INTEGER NOT NULL,
    workload INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    token INTEGER NOT NULL,
    key BLOB NOT NULL,
    state BLOB NOT NULL,
    leader INTEGER,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX jobs_by_id ON jobs(id);
CREATE INDEX jobs_queue ON jobs(workload, rank) WHERE status = $queued;
CREATE INDEX jobs_due ON jobs(status, until_ms) WHERE status > $attached;
CREATE INDEX jobs_outbox ON jobs(tenant, ended_at_ms) WHERE status = $done;
CREATE INDEX jobs_under_receipt ON jobs(holder) WHERE status = $pulled;
CREATE INDEX jobs_attached ON jobs(leader) WHERE leader IS NOT NULL;
CREATE TABLE known(
    seq INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    total INTEGER NOT NULL,
    state BLOB NOT NULL,
    known_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX known_by_age ON known(known_at_ms);
CREATE TABLE names(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE workers(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE books(page BLOB NOT NULL) STRICT;
""")
