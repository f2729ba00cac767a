"""A part that is away comes back, whatever its opening meets."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis.backup_shard import ShardPlace
from workmill.store.redis.resubmission import ResubmittingStore
from workmill.store.sharded.restore_barrier import Muster
from workmill.store.sharded.shard import Opened, Part


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


def test_what_was_restored_is_not_undone_by_submitting_again(tmp_path: Path) -> None:
    """The second layer forgets what was acknowledged before, but for a restore that was refused."""
    restored: list[tuple[Path, ShardPlace]] = []
    refused = [StoreUnavailable("not now")]

    class Memory:
        forgotten = 0

        def forget(self) -> None:
            self.forgotten += 1

    def restore(file: Path, place: ShardPlace, _ready: Any, _together: str) -> None:
        if refused:
            raise refused.pop()
        restored.append((file, place))

    memory: Any = Memory()
    store: Any = SimpleNamespace(restore=restore)
    opened = Opened(store, ResubmittingStore(store, lambda: None, memory))
    with pytest.raises(StoreUnavailable):
        opened.restore(tmp_path, ShardPlace(1, 2), Muster(1))
    assert memory.forgotten == 0
    opened.restore(tmp_path, ShardPlace(1, 2), Muster(1))
    assert restored == [(tmp_path, ShardPlace(1, 2))]
    assert memory.forgotten == 1
