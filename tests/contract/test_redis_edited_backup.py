"""Backups of a Redis store that were edited, with a checksum that is right: refused whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import open_redis
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.errors import InvalidInput
from workmill.domain.lifecycle import Status
from workmill.store.redis import backup_file, record_codec


def rewritten(source: Path, target: Path, change: Callable[[str, list[Any]], list[Any]]) -> Path:
    """The same backup with other items in it, and a checksum that is right."""
    with target.open("wb") as file:
        writer = backup_file.Writer(file)
        for kind, items in backup_file.frames(source):
            writer.add(kind, change(kind, items))
        writer.end()
    return target


AGE, ID = 8, 16
TOTAL_AT = AGE + ID + 1 + 5 + 2 + 2 + 1
"""Where the total begins in a job of a backup: after attempts and status, seq, tenant, workload,
priority. Then come done (6 bytes) and token (5)."""


KEY_AT = TOTAL_AT + 6 + 6 + 5
STATE_AT = KEY_AT + 32
"""Of a queued job; all others have two bytes of length before it."""
LONG = b"x" * 1000
LATEST = 2**42 - 1
"""Milliseconds: the year 2109."""


@pytest.fixture
def clean_stand(redis_url: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(partial(open_redis, redis_url), tmp_path / "clean")
    yield made
    made.store.close()


def of_job(at: int, raw: bytes) -> Callable[[str, list[Any]], list[Any]]:
    """Other bytes at this place of every job."""
    return lambda kind, items: (
        [one[:at] + raw + one[at + len(raw) :] for one in items] if kind == "jobs" else items
    )


def later(job: bytes, last: bytes) -> bytes:
    """The same job under an age of its own."""
    return (int.from_bytes(last[:AGE], "big") + 1).to_bytes(AGE, "big") + job[AGE:]


def of_books(name: bytes, value: bytes) -> Callable[[str, list[Any]], list[Any]]:
    return lambda kind, items: [*items, name, value] if kind == "books" else items


def of_kind(wanted: str, change: Callable[[list[Any]], list[Any]]) -> Any:
    return lambda kind, items: change(items) if kind == wanted else items


def renamed(old: bytes, new: bytes) -> Any:
    return of_kind("names", lambda items: [one.replace(old, new) for one in items])


EDITS: dict[str, Callable[[str, list[Any]], list[Any]]] = {
    "no total": of_job(TOTAL_AT, bytes(6)),
    "a total beyond all": of_job(TOTAL_AT, b"\xff" * 6),
    "more done than there is": of_job(TOTAL_AT + 6, b"\x03" + b"\xff" * 5),
    "nothing done": of_job(TOTAL_AT + 6, bytes(6)),
    "a token beyond all": of_job(TOTAL_AT + 12, b"\x01" + bytes(4)),
    "another tenant": of_job(AGE + ID + 6, b"\x77\x77"),
    "an unknown status": of_job(AGE + ID, b"\x0f"),
    "a priority that is none": of_job(AGE + ID + 10, b"\x80"),
    "ages that do not rise": of_job(0, b"\x00" * 7 + b"\x01"),
    "a shorter state": of_kind("jobs", lambda items: [items[0][:-1], *items[1:]]),
    "a job twice": of_kind("jobs", lambda items: [*items, items[-1]]),
    "an id twice": of_kind("jobs", lambda items: [*items, later(items[0], items[-1])]),
    "a job of one byte": of_kind("jobs", lambda items: [*items, b"x"]),
    "an item that is no bytes": of_kind("jobs", lambda items: [*items, 7]),
    "a name too few": of_kind("names", lambda items: items[:-1]),
    "a name that is no text": of_kind("names", lambda items: [*items, b"T9", b"\xff"]),
    "a name of a thousand letters": of_kind(
        "names", lambda items: [*items, b"t" + LONG, b"9", b"T9", LONG]
    ),
    "a name that leads elsewhere": of_kind("names", lambda items: [*items, b"tother", b"1"]),
    "nothing left to do": of_job(TOTAL_AT, bytes(5) + b"\x01"),
    "no names": of_kind("names", lambda _: []),
    "no books": of_kind("books", lambda _: []),
    "a counter that is none": of_books(b"submitted_total", b"many"),
    "a counter below nothing": of_books(b"submitted_total", b"-1"),
    "a counter at its end": of_books(b"submitted_total", b"9223372036854775807"),
    "a token at its end": of_books(b"highest_token", b"4398046511103"),
    "a receipt at its end": of_books(b"next_receipt", b"9007199254740991"),
    "a place at its end": of_books(b"next_seq", b"1099511627776"),
    "an age at its end": of_books(b"last_age", b"%d" % (2**42 * 2048)),
    "a time far away": of_books(b"last_ms", b"9007199254740991"),
    "the age of a time to come": of_kind(
        "jobs", lambda items: [*items[:-1], (LATEST * 2048).to_bytes(AGE, "big") + items[-1][AGE:]]
    ),
    "a key of no work": of_job(KEY_AT, bytes(32)),
    "two states swapped": of_kind(
        "jobs",
        lambda items: [
            items[0][:STATE_AT] + items[1][STATE_AT:],
            items[1][:STATE_AT] + items[0][STATE_AT:],
            *items[2:],
        ],
    ),
    "another tenant's name": renamed(b"default", b"other"),
    "another workload's name": renamed(b"sha512", b"sha513"),
    "an epoch": of_kind("books", lambda items: [*items, b"epoch"]),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_backup_is_refused_whole(tmp_path: Path, name: str, clean_stand: Stand) -> None:
    """Its checksum is right, and what it says is not: nothing is changed by it."""
    stand = clean_stand
    stand.submit(*(jobs := [new_job() for _ in range(3)]))
    stand.store.backup(tmp_path / "good")
    edited = rewritten(tmp_path / "good", tmp_path / "edited", EDITS[name])
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(edited)
    assert [stand.status(job) for job in jobs] == [Status.QUEUED] * 3
    stand.submit(new_job())
    stand.store.restore(tmp_path / "good")
    assert stand.stats().jobs[Status.QUEUED] == 3


def of(status: Status, change: Callable[[bytes], bytes]) -> Any:
    """The first job of this status is another."""

    def changed(items: list[Any]) -> list[Any]:
        place = [raw[AGE + ID] & 15 for raw in items].index(record_codec.CODES[status])
        return [*items[:place], change(items[place]), *items[place + 1 :]]

    return of_kind("jobs", changed)


def at(place: int, raw: bytes) -> Callable[[bytes], bytes]:
    return lambda job: job[:place] + raw + job[place + len(raw) :]


def told(text: bytes) -> Callable[[bytes], bytes]:
    """Another worker or reason."""
    return lambda job: job[: STATE_AT + 2 + 64 + 12] + text


OTHER = bytes(64)
FULL_EDITS: dict[str, Callable[[str, list[Any]], list[Any]]] = {
    "a leased state": of(Status.LEASED, at(STATE_AT + 2, OTHER)),
    "an attached state": of(Status.ATTACHED, at(STATE_AT + 2, OTHER)),
    "a result at once": of(Status.PULLED, at(STATE_AT + 2, OTHER)),
    "an end to come": of(Status.DONE, at(STATE_AT + 2 + 64, LATEST.to_bytes(6, "big"))),
    "an end at no time": of(Status.DONE, at(STATE_AT + 2 + 64, bytes(6))),
    "known work of one byte": of_kind("known", lambda items: [*items, b"x"]),
    "known work of no total": of_kind(
        "known", lambda items: [items[0][:6] + bytes(6) + items[0][12:], *items[1:]]
    ),
    "a long reason": of(Status.FAILED, told(b"x" * 501)),
    "a reason that is no text": of(Status.FAILED, told(b"\xff")),
    "a worker's long name": of(Status.LEASED, told(b"x" * 201)),
    "a shorter known state": of_kind("known", lambda items: [items[0][:-1], *items[1:]]),
    "known at a time to come": of_kind(
        "known", lambda items: [LATEST.to_bytes(6, "big") + items[0][6:], *items[1:]]
    ),
}


@pytest.mark.parametrize("name", FULL_EDITS)
def test_an_edited_backup_of_all_statuses_is_refused(
    tmp_path: Path, name: str, clean_stand: Stand
) -> None:
    """Work that was begun, has ended or is known is compared with its key and with itself."""
    stand = clean_stand
    stand.submit(once := new_job("once", total=1))
    stand.pull(1, receipt_seconds=60)
    stand.submit(known := new_job("known"))
    stand.finish(known, state_of("known", 100))
    stand.submit(new_job("known"))
    stand.submit(bad := new_job())
    stand.fail(stand.lease_one(), "it broke", retryable=False)
    stand.submit(new_job("running"), new_job("running"))
    stand.lease_one()
    stand.store.backup(tmp_path / "good")
    edited = rewritten(tmp_path / "good", tmp_path / "edited", FULL_EDITS[name])
    before = stand.stats()
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(edited)
    assert stand.stats() == before
    stand.store.restore(tmp_path / "good")
    assert (stand.status(once), stand.status(bad)) == (Status.DONE, Status.FAILED)
