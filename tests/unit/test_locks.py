"""The lock files pin, with hashes, everything that pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = {
    "requirements.lock": ["build"],
    "requirements-ec2.lock": ["build"],
    "requirements-dev.lock": ["build", "dev"],
    "requirements-bench.lock": ["build", "bench"],
}


def normal(name: str) -> str:
    """A package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(lock: str) -> set[str]:
    """The packages that pyproject.toml asks for in this lock."""
    wanted: list[str] = list(PROJECT["project"]["dependencies"])
    if lock == "requirements-ec2.lock":
        wanted += PROJECT["project"]["optional-dependencies"]["ec2"]
    for group in GROUPS[lock]:
        wanted += [item for item in PROJECT["dependency-groups"][group] if isinstance(item, str)]
    return {normal(re.split(r"[^\w.-]", item)[0]) for item in wanted}


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package; there may be one for each kind of environment."""
    found: dict[str, set[str]] = {}
    entries = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    for name, version in entries:
        found.setdefault(normal(name), set()).add(version)
    return found


@pytest.mark.parametrize("lock", GROUPS)
def test_every_dependency_is_locked(lock: str) -> None:
    """Whoever adds a dependency renews the locks (`scripts/lock`) in the same change."""
    assert asked(lock) - pins(lock).keys() == set()


@pytest.mark.parametrize("lock", GROUPS)
def test_every_pin_has_a_hash_and_no_address(lock: str) -> None:
    """A package is known by its content, wherever it is fetched from."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in (ROOT / lock).read_text()


@pytest.mark.parametrize("lock", sorted(GROUPS.keys() - {"requirements.lock"}))
def test_tests_run_what_people_run(lock: str) -> None:
    """Tests and benches use the very versions that the service is installed with."""
    served, used = pins("requirements.lock"), pins(lock)
    assert {name: used.get(name) for name in served} == served
