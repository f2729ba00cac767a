"""The guide's examples are run, as they stand and in their order."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from tests.http.client.live import Live

from workmill.client.addresses import DEFAULT_URL

GUIDE = Path(__file__).parents[3] / "docs" / "sdk.md"


@pytest.mark.usefixtures("hands")
def test_the_examples_of_the_guide_run(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who copies from docs/sdk.md gets what it says; only the service's address is another here."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) >= 10
    script = tmp_path / "guide.py"
    script.write_text("\n".join(blocks).replace(DEFAULT_URL, live.url))
    monkeypatch.chdir(tmp_path)
    ran = runpy.run_path(str(script))
    assert len(ran["collected"]) > 2500
