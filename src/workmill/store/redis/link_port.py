"""The seam between the store's verbs and the network: one logical Redis, whatever it is made of.

What lies behind it may be one server, a primary that Sentinels move about, or a part of a
cluster. It knows nothing of jobs: it carries a function's name and one argument there, and the
answer back.
"""

from __future__ import annotations

from typing import Any, Protocol

from workmill.domain.errors import StoreUnavailable


class Restored(StoreUnavailable):
    """The call was refused before it ran: a backup was restored here since the caller last looked.
    `restores` says how often one was."""

    def __init__(self, restores: int, retry_after_seconds: float) -> None:
        super().__init__(
            "The store was restored meanwhile. Nothing was changed by this call. Try again.",
            retry_after_seconds=retry_after_seconds,
        )
        self.restores = restores


class Link(Protocol):
    """A way to one logical Redis. All keys of the store lie in one hash tag, which the link was
    made with and hands to every function as its only key."""

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        """Run one function of the library and return what it answers.

        Raises StoreUnavailable when there is no answer: the outcome is unknown. A call that
        `writes` is never sent twice. Raises Restored when the caller has to hear of a restore.
        """
        ...

    def confirm(self) -> None:
        """Return once every call since the last confirm is as durable as the chosen level
        promises. Raises StoreUnavailable when that cannot be known."""
        ...

    @property
    def history(self) -> str | None:
        """In which history of changes the last confirmed calls were written (Redis calls it a
        replication id). A failover begins a new one; None before the first confirm."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be at the server, in sentences; it refuses nothing."""
        ...

    def close(self) -> None:
        """Leave the connections."""
        ...
