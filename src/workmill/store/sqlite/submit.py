"""The verb `submit`: each job once per id, and never work that is known or running already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from workmill.domain.job import Job, NewJob, Submitted
from workmill.domain.lifecycle import FINISHED, Status
from workmill.store.sqlite import queries, work_lookup
from workmill.store.sqlite.bulk_sql import Cell, Writer
from workmill.store.sqlite.schema import CODES, NOBODY, UNPLACED
from workmill.store.sqlite.session import Session
from workmill.store.sqlite.work_lookup import Content


@dataclass(slots=True)
class _Leader:
    seq: int
    done: int


@dataclass(slots=True)
class _Intake:
    """One batch on its way in: what was found for it, and what is to be written."""

    found: dict[Content, work_lookup.Found]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    leaders: dict[Content, _Leader] = field(default_factory=dict)
    statuses: Counter[Status] = field(default_factory=Counter)
    backlog_iterations: int = 0
    ranks: dict[int, int] = field(default_factory=dict)
    """The lowest rank that waits for each leader, by its `seq`."""
    building: bool = False
    """Whether no work can be looked up yet."""
    unplaced: int = 0


def submit(session: Session, jobs: Sequence[NewJob]) -> list[Submitted]:
    """See `Store.submit`."""
    if not jobs:
        return []
    present = zip(jobs, queries.get(session, [job.id for job in jobs]), strict=True)
    there = {new.id: old for new, old in present if old}
    fresh: dict[bytes, NewJob] = {}
    for job in jobs:
        if job.id not in there:
            fresh.setdefault(job.id, job)
    taken = _take_in(session, list(fresh.values()))
    if len(taken) == len(jobs):
        return taken
    born = {reply.id: reply for reply in taken}
    new = set(born)
    replies = []
    for job in jobs:
        if (old := there.get(job.id)) is not None:
            replies.append(_already_there(job, old))
        elif job.id in new:
            new.remove(job.id)
            replies.append(born[job.id])
        else:
            replies.append(_repeated(job, fresh[job.id], born[job.id]))
    return replies


def _same_work(one: NewJob, other: NewJob | Job) -> bool:
    return (one.key, one.total, one.workload, one.tenant) == (
        other.key,
        other.total,
        other.workload,
        other.tenant,
    )


def _already_there(job: NewJob, old: Job) -> Submitted:
    return Submitted(
        id=job.id,
        status=old.status,
        done=old.done,
        created=False,
        conflict=not _same_work(job, old),
        state=old.state if old.status in FINISHED else None,
    )


def _repeated(job: NewJob, first: NewJob, born: Submitted) -> Submitted:
    return Submitted(
        id=job.id,
        status=born.status,
        done=born.done,
        created=False,
        conflict=not _same_work(job, first),
        state=born.state,
    )


_INSERT = Writer(
    12,
    """
    WITH given(now_ms, nobody, token) AS (VALUES (?, ?, ?)),
        new(seq, id, status, until_ms, workload, tenant, rank, total, done, key, state, leader)
        AS (VALUES $rows)
    INSERT INTO jobs
    SELECT seq, id, status, nobody, until_ms, now_ms, now_ms, workload, tenant, rank, total, done,
        0, token, key, state, leader, NULL
    FROM given, new WHERE seq IS NOT NULL
    """,
)


def _take_in(session: Session, jobs: Sequence[NewJob]) -> list[Submitted]:
    if not jobs:
        return []
    books = session.books
    building = session.index.building
    contents = [] if building else list({(job.key, job.total) for job in jobs})
    intake = _Intake(work_lookup.find(session, contents) if contents else {}, building=building)
    replies = [_place(session, intake, job, seq) for seq, job in enumerate(jobs, books.next_seq)]
    _INSERT(session.connection, intake.rows, session.now_ms, NOBODY, books.first_token)
    work_lookup.add(session, intake.entries)
    work_lookup.lift(session, intake.ranks)
    books.next_seq += len(jobs)
    books.submitted_total += len(jobs)
    books.completed_total += intake.statuses[Status.DONE]
    books.attached_total += intake.statuses[Status.ATTACHED] - intake.unplaced
    books.backlog_iterations += intake.backlog_iterations
    for status, count in intake.statuses.items():
        books.jobs[status] += count
    return replies


def _place(session: Session, intake: _Intake, job: NewJob, seq: int) -> Submitted:
    """Decide where one new job begins, and note the row to write for it."""
    done, state, leader = job.done, job.state, None
    content = (job.key, job.total)
    if content in intake.found or content in intake.leaders:
        done, state, leader = _met(session, intake, job)
    until_ms, value = session.now_ms, None
    if leader is not None:
        status = Status.ATTACHED
    elif done == job.total:
        status, value = Status.DONE, state
        until_ms = session.in_seconds(session.bounds.result_retention_seconds)
    elif intake.building:
        status, leader = Status.ATTACHED, _Leader(UNPLACED, done)
        intake.unplaced += 1
        session.unplaced = True
    else:
        status = Status.QUEUED
        intake.leaders[content] = _Leader(seq, done)
        intake.entries.append(work_lookup.entry(job.key, job.total, seq))
        intake.backlog_iterations += job.total - done
    intake.statuses[status] += 1
    number, led_by = session.names.number, leader.seq if leader else None
    kinds = (number(job.workload), number(job.tenant), -job.priority)
    steps = (job.total, done, job.key, state, led_by)
    intake.rows.append((seq, job.id, CODES[status], until_ms, *kinds, *steps))
    return Submitted(id=job.id, status=status, done=leader.done if leader else done, state=value)


def _met(session: Session, intake: _Intake, job: NewJob) -> tuple[int, bytes, _Leader | None]:
    """Where a job goes on from whose work is known or running: how far, its state, its leader."""
    content = (job.key, job.total)
    found = intake.found.get(content)
    done, state = job.done, job.state
    if found and found.known and found.known.done > done:
        done, state = found.known.done, bytes.fromhex(found.known.state)
    leader = None if done == job.total else _leader_of(intake, content, found)
    if leader is not None:
        rank = -job.priority
        intake.ranks[leader.seq] = min(rank, intake.ranks.get(leader.seq, rank))
        return job.done, job.state, leader  # its own, until it has the leader's
    if done > job.done:
        session.books.known_hits_total += 1
        session.books.iterations_saved_total += done - job.done
    return done, state, None


def _leader_of(
    intake: _Intake, content: Content, found: work_lookup.Found | None
) -> _Leader | None:
    if found and found.running:
        return _Leader(found.running.seq, found.running.done)
    return intake.leaders.get(content)
