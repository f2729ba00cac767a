"""The style of the house that a linter does not know: sizes, docstrings, words, light imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
SOURCES = sorted(
    file
    for room in ("src", "tests", "bench", "scripts", "deploy", "examples")
    for file in (ROOT / room).rglob("*")
    if file.suffix in {".py", ".c", ".h", ".sh", ".lua", ".css", ".js", ".html", ".sql"}
    and "egg-info" not in str(file)
)
MODULES = [file for file in SOURCES if file.suffix == ".py"]
PROSE = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FRAME = [*ROOT.glob("*.lock"), *(ROOT / name for name in ("gate", "workmill", "pyproject.toml"))]
FORBIDDEN = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "--index" + "-url"]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("file", SOURCES, ids=name_of)
def test_no_file_is_too_long_to_read(file: Path) -> None:
    """A file over 400 lines is two files."""
    lines = len(file.read_text().splitlines())
    assert lines <= MAX_FILE_LINES, f"{name_of(file)} has {lines} lines: part it"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_a_function_fits_a_screen(file: Path) -> None:
    """A function over 60 lines does more than one thing."""
    long = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in functions(ast.parse(file.read_text()))
    }
    too_long = {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES}
    assert not too_long


@pytest.mark.parametrize(
    "file", [file for file in MODULES if "tests" not in name_of(file)], ids=name_of
)
def test_a_module_says_what_it_is_for(file: Path) -> None:
    """Whoever opens a module reads its purpose first."""
    assert ast.get_docstring(ast.parse(file.read_text()))


@pytest.mark.parametrize("file", [*SOURCES, *PROSE, *FRAME], ids=name_of)
def test_no_file_names_a_package_registry(file: Path) -> None:
    """Where packages come from is the installing person's choice, never this repository's."""
    text = file.read_text()
    assert [word for word in FORBIDDEN if word in text] == []


def test_the_package_imports_nothing_it_may_not_need() -> None:
    """A worker that says `import workmill` pays for no HTTP client, server or database."""
    heavy = ["apsw", "asyncio", "httpx", "rich", "starlette", "typer", "uvicorn"]
    loaded = f"import sys, workmill; print(*(set({heavy}) & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == []


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    """A reader who follows a link, or a path in backticks, gets there."""
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\(([\w./-]+)[)#]", text)]
    rooms = r"`((?:src|tests|docs|bench|deploy|scripts)/[\w./-]+)`"
    paths = [ROOT / path for path in re.findall(rooms, text)]
    assert [str(path) for path in links + paths if not path.exists()] == []
