"""The kernel's bench reports every contestant."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from typer.testing import CliRunner

from workmill.cli.app import app
from workmill.workloads.sha512 import bench, openssl
from workmill.workloads.sha512.bench import measure
from workmill.workloads.sha512.kernel import BEST, HASHLIB, VARIANTS


def test_every_variant_is_measured_against_hashlib() -> None:
    """Promise: one figure for each variant that runs here, and the ratios belong to the rates."""
    figures = measure(pairs=1, slice_seconds=0.001)
    assert figures.kernel == BEST
    assert set(figures.variants) == set(VARIANTS) - {HASHLIB}
    assert all(variant.hz > 0 < variant.times_hashlib for variant in figures.variants.values())


def test_the_rival_hashes_like_hashlib() -> None:
    """Promise: the loop over OpenSSL's block function does the very work it is timed for."""
    run = openssl.blocks()
    if run is None:
        return
    state = bytes(range(64))
    for _ in range(3):
        state = hashlib.sha512(state).digest()
    assert run(3) == state


def test_the_command_prints_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: `--json` prints the struct itself, and people see every variant."""
    figures = measure(pairs=1, slice_seconds=0.001)
    monkeypatch.setattr(bench, "measure", lambda: figures)
    as_json = CliRunner().invoke(app, ["bench", "kernel", "--json"])
    assert msgspec.json.decode(as_json.stdout, type=bench.KernelFigures) == figures
    for_people = CliRunner().invoke(app, ["bench", "kernel"])
    assert all(name in for_people.stdout for name in figures.variants)
