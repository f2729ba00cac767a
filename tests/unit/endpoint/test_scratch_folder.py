"""Temporary folders of endpoints that share a disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from workmill.endpoint import scratch


def test_a_folder_that_another_endpoint_clears_before_its_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints without a directory of their own share one, and start when they like."""
    made: list[str] = []
    make = tempfile.mkdtemp

    def cleared_once(**named: Any) -> str:
        made.append(folder := str(make(**named)))
        if len(made) == 1:
            scratch.clear_scratch(str(tmp_path))
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", cleared_once)
    with scratch.scratch_folder(str(tmp_path)) as folder:
        assert [folder] == list(tmp_path.iterdir())
    assert len(made) == 2
