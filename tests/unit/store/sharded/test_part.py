"""A part that is away comes back, whatever its opening meets."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

from workmill.domain.errors import StoreUnavailable
from workmill.store.sharded.part import Opened, Part


def test_an_error_that_nobody_foresaw_does_not_keep_a_part_away_for_ever() -> None:
    """Its thread goes on trying: nobody else would open it again."""
    back, failures = threading.Event(), [RuntimeError("of a library"), StoreUnavailable("away")]

    def opened() -> Opened:
        if failures:
            raise failures.pop()
        store: Any = SimpleNamespace(group=nullcontext, probe=back.set, close=lambda: None)
        return Opened(store, store)

    part = Part(0, "redis://one", cast("Any", opened))
    part.failed(StoreUnavailable("it was never reached"))
    assert back.wait(20)
    part.close()
