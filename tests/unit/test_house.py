"""The style of the house that a linter does not know: sizes, docstrings, words, light imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
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
PROSE = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for room in ("docs", "deploy", "examples") for page in (ROOT / room).rglob("*.md")),
    ]
)
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


def bare(page: Path) -> str:
    """The page without its blocks of code, where `#` is a comment and brackets are no links."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What may follow `page.md#`: each heading as GitHub writes it, a repeated one numbered."""
    slugs: list[str] = []
    for heading in re.findall(r"^#{1,6} (.+)$", bare(page), flags=re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")
        again = sum(one == slug or re.fullmatch(rf"{slug}-\d+", one) is not None for one in slugs)
        slugs.append(f"{slug}-{again}" if again else slug)
    return frozenset(slugs)


def broken_links(page: Path) -> Iterator[str]:
    """Relative links of the page that lead to no file, or to no heading of it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", bare(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """A relative link names a file that exists, and its `#anchor` a heading of that file."""
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    """A reader who looks for a path in backticks finds it."""
    rooms = r"`((?:src|tests|docs|bench|deploy|scripts|examples)/[\w./-]+)`"
    paths = [ROOT / path for path in re.findall(rooms, page.read_text())]
    assert [str(path) for path in paths if not path.exists()] == []


@pytest.mark.parametrize("file", [*SOURCES, ROOT / "deploy" / "aws" / "alarms.yaml"], ids=name_of)
def test_a_source_names_only_pages_that_exist(file: Path) -> None:
    """A reader of an error or a comment finds the page that it names."""
    pages = re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text())
    assert [page for page in pages if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_the_rows_of_a_table_have_its_columns(page: Path) -> None:
    """A row with another number of cells loses some of them where it is shown."""
    for table in re.findall(r"(?:^\|.*\n)+", bare(page), flags=re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(columns) == 1, table


def test_operations_lists_every_section_of_its_pages() -> None:
    """The table of contents at the head of operations.md reaches each section of each page."""
    docs = ROOT / "docs"
    start = docs / "operations.md"
    links = set(re.findall(r"\]\(([\w.-]*#[\w-]+)\)", start.read_text().partition("\n## ")[0]))
    pages = {docs / link.partition("#")[0] for link in links if not link.startswith("#")}
    assert {page.stem for page in pages} == {"aws", "balancer", "cluster", "containers", "redis"}
    for page in (start, *pages):
        name = "" if page == start else page.name
        sections = re.findall(r"^## (.+)$", bare(page), flags=re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in sections}
        assert {f"{name}#{slug}" for slug in slugs} - links == set()
