"""Every program of examples/ does what its first lines say, against a service of its own."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from tests.system.processes import Up
from tests.system.service_definition import value_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Results are pulled here: nobody else's may be among them."""
    with Up(tmp_path_factory.mktemp("examples"), workers=1) as up:
        yield up


def said(up: Up, name: str, *words: str) -> str:
    """What the example prints; it must succeed."""
    file = str(EXAMPLES / name)
    done = subprocess.run(
        [file, *words] if name.endswith(".sh") else [sys.executable, file, *words],
        env={**os.environ, "WORKMILL_URL": up.url},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def one_job(up: Up, _place: Path) -> None:
    assert said(up, "one_job.py", "two", "words") == value_of(b"two words", 100_000) + "\n"


def many_files(up: Up, place: Path) -> None:
    for name in ("a", "b"):
        (place / name).write_text(name)
    (place / "c").write_bytes(b"too large" * 2**18)
    lines = said(up, "many_files.py", str(place)).splitlines()
    assert lines == [f"{value_of(name.encode(), 1000)} {name}" for name in ("a", "b")]


def submit_once(up: Up, _place: Path) -> None:
    first, again = (said(up, "submit_once.py", "january", "february") for _ in range(2))
    assert first == again
    ids, values = zip(*(line.split() for line in first.splitlines()), strict=True)
    assert len({UUID(one) for one in ids}) == 2
    assert list(values) == [value_of(name, 5000) for name in (b"january", b"february")]


def collect(up: Up, place: Path) -> None:
    with up.client() as client:
        expected = {
            job.id: job.result()
            for job in client.submit_many((b"collected %d" % n for n in range(1200)), iterations=2)
        }
    file = place / "results.db"
    assert f"results are in {file}" in said(up, "collect.py", str(file))
    found = dict(sqlite3.connect(file).execute("SELECT id, value FROM results").fetchall())
    assert expected.items() <= found.items()
    assert said(up, "collect.py", str(file)).startswith(f"{len(found)} results")
    with up.client() as client:
        assert len(client.pull()) == 0


def progress_and_cancel(up: Up, _place: Path) -> None:
    lines = said(up, "progress_and_cancel.py").splitlines()
    assert [bool(re.match(r"\d+\.\d{4}% done, ", line)) for line in lines] == [True] * 3 + [False]
    assert "cancelled" in lines[-1]


def in_asyncio(up: Up, _place: Path) -> None:
    lines = said(up, "in_asyncio.py").splitlines()
    assert len(lines) == 100
    assert lines[99] == f"{value_of(b'item 99', 1000)} item 99"


def with_curl(up: Up, place: Path) -> None:
    file = place / "data"
    file.write_bytes(bytes(range(256)))
    first, second = said(up, "with_curl.sh", str(file)).splitlines()
    assert first == f"value {value_of(file.read_bytes(), 1000)}"
    assert re.fullmatch(r'\{"delivered":[1-9]\d*\}', second)


PLAYED: dict[str, Callable[[Up, Path], None]] = {
    "one_job.py": one_job,
    "many_files.py": many_files,
    "submit_once.py": submit_once,
    "collect.py": collect,
    "progress_and_cancel.py": progress_and_cancel,
    "in_asyncio.py": in_asyncio,
    "with_curl.sh": with_curl,
}


@pytest.mark.parametrize("name", PLAYED)
def test_an_example_does_what_it_says(private: Up, tmp_path: Path, name: str) -> None:
    """And succeeds on a service that has been used before."""
    PLAYED[name](private, tmp_path)


def test_every_example_is_tried_and_listed() -> None:
    """One that nobody runs is wrong one day."""
    found = {file.name for file in EXAMPLES.iterdir()} - {"README.md", "__pycache__"}
    assert found == set(PLAYED)
    listed = re.findall(
        r"^\| \[(\S+)\]\(\1\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE
    )
    assert listed == list(PLAYED)
