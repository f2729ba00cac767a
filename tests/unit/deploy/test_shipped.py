"""What is in the repository for a person is what is installed for the commands."""

from __future__ import annotations

import tomllib
from pathlib import Path

from workmill.cluster.haproxy_probe import balancer_file

ROOT = Path(__file__).parents[3]


def test_a_cluster_runs_the_balancer_that_is_shipped() -> None:
    """One file, under both names; and its reload."""
    shipped = ROOT / "deploy" / "haproxy"
    assert (shipped / "haproxy.cfg").samefile(balancer_file())
    assert (shipped / "reload").samefile(balancer_file().with_name("reload.py"))
    assert (shipped / "reload").stat().st_mode & 0o111


def test_every_file_that_is_read_is_installed() -> None:
    """A wheel leaves out what pyproject.toml does not name."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = about["tool"]["setuptools"]["package-data"]["workmill"]
    room = ROOT / "src" / "workmill"
    named = {file for pattern in patterns for file in room.glob(pattern)}
    files = {file for file in room.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert {file for file in files - named if file.suffix not in {".py", ".so"}} == set()
