"""How a service looks at a terminal of 80 columns."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from rich.console import Console

from workmill import Client
from workmill.cli import status
from workmill.cli.status import Status, _framed
from workmill.cli.status_view import ROWS, amount, picture, rows_within
from workmill.domain.errors import EndpointUnreachable, StoreDamaged, Unavailable
from workmill.domain.job import Load, Node, Stats
from workmill.domain.limits import READING_SECONDS
from workmill.wire.messages import StatsView

NOW_MS = 1_800_000_000_000


def node(role: str, pid: int, *, silent_seconds: float = 0.0, **about: Any) -> Node:
    return Node(
        incarnation=f"i{role}{pid}",
        role=role,
        host=about.pop("host", "mill"),
        pid=pid,
        version="0",
        seen_at_ms=NOW_MS - round(silent_seconds * 1000),
        **about,
    )


def stats_of(**about: Any) -> StatsView:
    counted = dict.fromkeys(Stats.__struct_fields__, 0)
    told: dict[str, Any] = {**counted, "jobs": {"queued": 12}, "oldest_queued_at_ms": None}
    told |= {"unavailable": (), "warnings": ()}
    stats = msgspec.convert({**told, **about}, Stats)
    return StatsView(stats=stats, rate_hz=7.61e6, workers=3, backlog_seconds=200.0)


SERVICE = stats_of(backlog_iterations=1_522_000_000)


def lines(nodes: Sequence[Node], service: StatsView = SERVICE, **about: Any) -> list[str]:
    """The view as it stands on the screen, without what is blank behind it."""
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(picture(service, nodes, **about))
    return [line.rstrip() for line in captured.get().splitlines()]


def line_of(nodes: Sequence[Node], name: str) -> str:
    """The one line that begins with `name`."""
    (found,) = (line for line in lines(nodes) if line.startswith(name))
    return found


def test_the_figures_come_first() -> None:
    """Jobs, backlog with the predicted wait, and the rate of all workers together."""
    shown = lines([])
    assert "jobs  12 queued" in shown[0]
    assert "backlog  1,522,000,000 iterations, about 3 min 20 s" in shown[1]
    assert "workers  3, together 7.61 M iterations/s" in shown[2]
    assert not [line for line in shown if "away" in line]
    doubtful = lines([], stats_of(warnings=("it may lose what it has",)))
    assert "doubtful  it may lose what it has" in "\n".join(doubtful)
    assert "away  redis://b" in "\n".join(lines([], stats_of(unavailable=("redis://b",))))


def test_a_wait_that_nobody_knows_is_not_made_up() -> None:
    """Work without a worker has no predicted end, and no work has none to predict."""
    unknown = msgspec.structs.replace(SERVICE, backlog_seconds=None)
    assert "no worker whose rate is known" in lines([], unknown)[1]
    assert lines([], stats_of())[1].endswith("0 iterations")


def test_an_endpoint_shows_where_it_serves_and_how_it_is() -> None:
    """Requests, cores, the lag of its loop, memory and disk of its machine, and its drain."""
    load = Load(
        cpu_cores=0.42,
        memory_fraction=0.61,
        disk_fraction=0.4,
        loop_lag_seconds=0.003,
        requests_hz=1240.3,
    )
    drains = node("endpoint", 2, serves="10.0.0.2:5000", load=load, draining=True)
    nodes = [node("endpoint", 1, serves="10.0.0.1:5000", load=load), drains]
    cells = ["1.24", "k", "0.42", "3", "ms", "61%", "40%", "0.0", "s"]
    assert line_of(nodes, "10.0.0.1:5000").split()[1:] == cells
    assert line_of(nodes, "10.0.0.2:5000").split()[1:] == ["drains", *cells]


def test_a_worker_shows_its_rate_its_jobs_and_its_lanes() -> None:
    """Under its host and process."""
    nodes = [node("worker", 7, rate_hz=7.61e6, slots=8, leased=11, load=Load(cpu_cores=0.97))]
    assert line_of(nodes, "mill:7").split()[1:6] == ["7.61", "M/s", "11", "8", "0.97"]


def test_one_controller_leads_and_stands_first() -> None:
    """The one of the highest token: who is silent may have led before."""
    nodes = [
        node("controller", 1),
        node("controller", 2, leads=6, silent_seconds=9),
        node("controller", 3, leads=7),
    ]
    shown = [line.split()[:3] for line in lines(nodes) if line.startswith("mill:")]
    assert shown[0] == ["mill:3", "leads,", "7"]
    assert [line[:2] for line in shown[1:]] == [["mill:1", "waits"], ["mill:2", "waits"]]


def test_silence_is_told_by_the_beats_alone() -> None:
    """Against whoever beat last: the clock of this machine may be anything."""
    nodes = [node("worker", 1), node("endpoint", 2, serves="10.0.0.1:1", silent_seconds=4.25)]
    assert line_of(nodes, "mill:1").endswith("0.0 s")
    assert line_of(nodes, "10.0.0.1:1").endswith("4.2 s")


def test_who_drained_and_is_silent_has_left() -> None:
    """It is listed for some seconds more, and nobody needs to look for it."""
    left = node("worker", 2, draining=True, silent_seconds=9.0)
    nodes = [node("worker", 1), left]
    assert line_of(nodes, "mill:2").split()[1] == "left"
    crowd = [node("worker", pid) for pid in range(1, ROWS + 1)]
    last = msgspec.structs.replace(left, pid=ROWS + 1)
    assert "  and 1 more: 0.0 cores, 1 draining" in lines([*crowd, last])


def test_rows_stay_where_they_are() -> None:
    """However the store lists them: by name, nine before ten."""
    nodes = [node("worker", pid, host=f"mill-{pid % 3}") for pid in range(5, 15)]
    shuffled = random.Random(1).sample(nodes, len(nodes))
    assert lines(nodes) == lines(shuffled)
    names = [line.split()[0] for line in lines(nodes) if line.startswith("mill-0")]
    assert names == ["mill-0:6", "mill-0:9", "mill-0:12"]


def test_many_are_bounded_and_the_rest_is_summed_up() -> None:
    """A thousand workers are as many lines as a dozen and one."""
    crowd = [
        node("worker", pid, rate_hz=1e6, load=Load(cpu_cores=1.0), draining=pid == 900)
        for pid in range(1000)
    ]
    crowd[950] = msgspec.structs.replace(crowd[950], seen_at_ms=NOW_MS - 5000)
    shown = lines(crowd)
    assert len([line for line in shown if line.startswith("mill:")]) == ROWS
    assert "  and 988 more: 988.0 cores, 988 M iterations/s, 1 draining, 1 silent" in shown


@pytest.mark.parametrize("height", [24, 30, 40, 100])
@pytest.mark.parametrize("crews", [(1, 1, 1), (3, 2, 100), (40, 3, 500), (0, 0, 0)])
def test_a_live_view_fits_its_terminal(height: int, crews: tuple[int, int, int]) -> None:
    """80 columns and so many lines, frame and all: what is cut off below would be a whole role."""
    roles = dict(zip(("endpoint", "controller", "worker"), crews, strict=True))
    nodes = [
        node(role, pid, host="a-host-with-a-long-name.example.org", draining=True, rate_hz=9e9)
        for role, count in roles.items()
        for pid in range(10**6, 10**6 + count)
    ]
    console = Console(width=80, color_system=None)
    found = Status(service=SERVICE, nodes=nodes)
    rows = rows_within(height, nodes)
    with console.capture() as captured:
        console.print(_framed(found, rows, None))
    shown = captured.get().splitlines()
    assert len(shown) <= height
    assert {len(line) for line in shown} == {80}
    assert rows == ROWS or sum(crews) > 0
    if sum(crews):
        assert "drains" in captured.get()


def test_an_old_view_says_so() -> None:
    """While nobody answers."""
    assert lines([], trouble="No endpoint answers.")[0] == "No endpoint answers."


def test_a_live_view_outlives_a_service_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last view stays with a word about it, and goes on when somebody answers again."""
    found = Status(service=SERVICE, nodes=[])
    answers: Iterator[Status | BaseException] = iter(
        [found, EndpointUnreachable("gone"), found, KeyboardInterrupt()]
    )
    shown: list[str | None] = []

    def look(_client: object) -> Status:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def framed(_found: Status, _rows: int, trouble: str | None) -> str:
        shown.append(trouble)
        return ""

    monkeypatch.setattr(status, "_look", look)
    monkeypatch.setattr(status, "_framed", framed)
    monkeypatch.setattr(status, "WATCH_SECONDS", 0.0)
    with Client("http://127.0.0.1:9") as client, pytest.raises(KeyboardInterrupt):
        status._watch(client)
    assert [trouble is None for trouble in shown] == [True, False, True]
    assert re.search(r"how it was [0-9.]+ s ago", str(shown[1]))


def test_without_a_terminal_the_views_follow_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status --watch >> log`: a service that is away is a note, and the views go on after it."""
    found = Status(service=SERVICE, nodes=[])
    answers: Iterator[Status | BaseException] = iter(
        [found, EndpointUnreachable("gone"), found, KeyboardInterrupt()]
    )

    def look(_client: object) -> Status:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(status, "_look", look)
    monkeypatch.setattr(status, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(status, "connect", lambda *_: nullcontext())
    with pytest.raises(KeyboardInterrupt):
        status.status(watch=True)
    said = capsys.readouterr()
    assert said.out.count("1,522,000,000 iterations") == 2
    assert said.err == "No endpoint answered. Asking again.\n"


@pytest.mark.parametrize("live", [True, False])
def test_a_view_that_begins_while_the_service_is_not_ready_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], live: bool
) -> None:
    """Until Ctrl-C while an endpoint says "not now"; who gives no such word is asked for as long as
    was said, and what lasts until a person acts is told at once."""
    found = Status(service=SERVICE, nodes=[])
    later = [Unavailable("not now")] * 30
    now = iter(range(0, 1000, 4))
    monkeypatch.setattr(status, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(status, "can_redraw", lambda _: live)
    monkeypatch.setattr(status, "connect", lambda *_: nullcontext())
    monkeypatch.setattr("workmill.cli.status.time.monotonic", lambda: next(now))
    for answers, ends in (
        ([*later, EndpointUnreachable("a page"), found, KeyboardInterrupt()], KeyboardInterrupt),
        ([EndpointUnreachable("a page")] * 30, EndpointUnreachable),
        ([Unavailable("not now"), StoreDamaged("a person acts")], StoreDamaged),
    ):
        look = Mock(side_effect=answers)
        monkeypatch.setattr(status, "_look", look)
        with pytest.raises(ends):
            status.status(watch=True)
        assert look.call_count == (3 if ends is EndpointUnreachable else len(answers))
        capsys.readouterr()


def test_what_is_away_is_shown_as_it_is() -> None:
    """An address has brackets, and they are no markup."""
    shown = "\n".join(lines([], stats_of(unavailable=("redis://[::1]:7 \x1b[2J",))))
    assert r"redis://[::1]:7 \x1b[2J" in shown


def test_a_stranger_cannot_move_the_cursor() -> None:
    """A worker's host is text from outside."""
    assert "\x1b" not in "\n".join(lines([node("worker", 1, host="a\x1b[2Jb")]))
    assert line_of([node("worker", 1, host="[red]a")], "[red]a:1")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (12.2, "12.2"),
        (950, "950"),
        (999.6, "1.00 k"),
        (1240.3, "1.24 k"),
        (12_345, "12.3 k"),
        (7.61e6, "7.61 M"),
        (137.2e6, "137 M"),
        (1e30, "1000000000000000 P"),
    ],
)
def test_an_amount_has_three_digits(number: float, shown: str) -> None:
    """And a unit, so that columns stay narrow."""
    assert amount(number) == shown


def test_a_live_view_gives_up_before_its_figures_are_old() -> None:
    """Both answers that it waits for fit into the time for which figures may be shown."""
    assert 2 * status.WATCH_PATIENCE_SECONDS < READING_SECONDS
