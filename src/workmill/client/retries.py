"""When a request is sent again, and after how long. Policy only: no I/O, no sleeping.

Theory. Every request of this client may be repeated: submits carry the id that the client
chose, worker verbs carry tokens, acknowledgements name a receipt. So each failure that time may
heal is retried: no answer at all, an outcome that the store could not confirm, and any refusal
that came with a time to wait. What lasts until a person does something (`WorkmillError.lasting`: a
store that is damaged) is not, unless a time was named. The pauses double from
`FIRST_PAUSE_SECONDS` to `LONGEST_PAUSE_SECONDS`; the upper half of each is left to chance, so that
clients which failed together do not come back together. A pause that would outlast the caller's
patience is not begun: the error is raised at once instead.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from math import inf
from typing import Final, TypeVar

from msgspec.structs import replace

from workmill.client.steps import Reply, Request, Steps, check
from workmill.domain.errors import EndpointUnreachable, Unavailable, WorkmillError

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 30.0
"""How long a client goes on trying, unless it is told otherwise."""

Chance = Callable[[], float]
"""Returns a number from 0 up to, but not including, 1."""

Ticks = Callable[[], float]
"""Returns seconds on a clock that never goes back."""


def worth_retrying(error: WorkmillError) -> bool:
    """Whether the same request may succeed later, with nobody doing anything meanwhile."""
    passing = isinstance(error, Unavailable) and not error.lasting
    return passing or error.retry_after_seconds is not None


def pause_seconds(failures: int, error: WorkmillError, chance: Chance = random.random) -> float:
    """How long to hold back after this many failures in a row (1 or more).

    A time that the endpoint named is kept to and then some, never cut short.
    """
    doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 32)
    backoff = min(LONGEST_PAUSE_SECONDS, doubled) * (1.0 + chance()) / 2.0
    return backoff + (error.retry_after_seconds or 0.0)


def retrying(
    request: Request,
    patience_seconds: float,
    reads: Callable[[Reply], T],
    *,
    full_silence: bool = False,
    ticks: Ticks = time.monotonic,
    chance: Chance = random.random,
) -> Steps[T]:
    """Send until there is a good reply, for `patience_seconds` at most (infinity is allowed); what
    it says, as `reads` has it. A reply that cannot be read is no reply.

    Raises the last error when it is not worth retrying or patience is at its end; of a question
    whose last attempt was cut short by that, what was answered before. With `full_silence` an
    attempt that was begun in time bears all the silence that it may.
    """
    deadline = ticks() + patience_seconds
    failures, pause, refused_by = 0, request.delay_seconds, ""
    told: WorkmillError | None = None
    reply: Reply | None
    source = request.source()
    if source is not None:
        request = replace(request, content=source)
    try:
        while True:
            left = inf if full_silence else max(deadline - ticks() - pause, 0.001)
            attempt = replace(
                request,
                delay_seconds=pause,
                timeout_seconds=min(request.timeout_seconds, left),
                not_first=refused_by,
            )
            reply = None
            try:
                reply = yield attempt
                return reads(check(reply))
            except WorkmillError as error:
                failures += 1
                no_answer = isinstance(error, EndpointUnreachable)
                refused_by = reply.url if no_answer and reply is not None else ""
                pause = pause_seconds(failures, error, chance)
                lost = source is not None and source.spent
                if not no_answer:
                    told = error
                if lost or not worth_retrying(error) or ticks() + pause >= deadline:
                    cut = attempt.timeout_seconds < request.timeout_seconds
                    if told is not None and cut and request.method == "GET":
                        raise told from None
                    raise
    finally:
        if source is not None:
            source.close()
