"""The events of the log: those that the pages in docs/ explain are the ones that are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = "\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
NAME = re.compile(r"[a-z]+\.[a-z_]+")
WRITERS = {"emit": 1, "emit_rarely": 1, "Incident": 2, "_line": 1}
"""How many names each takes, first of all."""


class Event(NamedTuple):
    """A name as a pattern (parts of it may be put in later), and whether it is an alarm."""

    name: str
    alarm: bool


@cache
def events() -> frozenset[Event]:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "deploy").rglob("*.py")]
    return frozenset(event for file in files for event in written_in(ast.parse(file.read_text())))


def written_in(module: ast.Module) -> Iterator[Event]:
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            for word in call.args[: WRITERS.get(call.func.id, 0)]:
                yield from (Event(name, is_alarm(call)) for name in names(word, module))


def is_alarm(call: ast.Call) -> bool:
    """An outage always is: its end must be known to whoever saw its begin."""
    assert isinstance(call.func, ast.Name)
    levels = {keyword.arg: keyword.value for keyword in call.keywords}
    said = {text_of(one) for one in ast.walk(levels.get("level", call.func))}
    return call.func.id == "Incident" or bool(said & {"warning", "error"})


def text_of(node: ast.AST) -> str:
    """The text that it is; empty for anything else."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text else ""  # type: ignore[attr-defined]


def names(word: ast.expr, module: ast.Module) -> Iterator[str]:
    """What the name may be; one that is handed on is any that stands in its module."""
    if isinstance(word, ast.JoinedStr):
        yield "".join(re.escape(text_of(part)) or "[a-z_]+" for part in word.values)
        return
    for node in ast.walk(word if text_of(word) else module):
        if NAME.fullmatch(text_of(node)):
            yield re.escape(text_of(node))


def explained() -> set[str]:
    """The names in the first column of each table of events."""
    found: set[str] = set()
    for table in re.findall(r"^\| event \|.*\n((?:\|.*\n)+)", PAGES, flags=re.MULTILINE):
        for row in table.splitlines():
            found.update(re.findall(r"`([a-z]+\.[a-z_]+)`", row.split(" | ")[0]))
    return found


def test_what_is_explained_is_written_somewhere() -> None:
    """A name that was changed or removed is looked for in vain."""
    known = re.compile("|".join(f"(?:{event.name})" for event in events()))
    assert len(explained()) > 50
    assert [name for name in sorted(explained()) if not known.fullmatch(name)] == []


def test_every_alarm_is_explained() -> None:
    """Whoever finds one in a log finds there what to do; of an outage its end, too."""
    alarms = {event.name for event in events() if event.alarm}
    assert {r"store\.lost", r"store\.link_found", r"worker\.endpoint_lost"} <= alarms
    unexplained = {one for one in alarms if not any(map(re.compile(one).fullmatch, explained()))}
    assert unexplained == set()


def test_no_two_names_differ_by_a_letter() -> None:
    """`word_refused` beside `words_refused` is two names for one thing, or two things under one."""
    said = {event.name.replace("\\", "") for event in events()} | explained()
    bare = [re.sub(r"s\b|s(?=_)", "", name) for name in said]
    assert sorted(one for one in bare if bare.count(one) > 1) == []
