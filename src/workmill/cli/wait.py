"""Wait for a job and show how far it is."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from workmill.cli.console import note
from workmill.cli.progress import meter
from workmill.domain.errors import JobEnded, Unavailable, WaitTimeout

if TYPE_CHECKING:
    from workmill import Client
    from workmill.wire.messages import JobView

LOOK_SECONDS: Final = 0.5
"""Between two looks at the progress; the end itself is noticed at once."""
ENDED: Final = frozenset({"done", "failed", "cancelled"})
"""A status that is not known here, of a newer service, is none of an end."""


def follow(client: Client, job_id: str) -> JobView:
    """The job once it has ended. Whoever leaves before that is told how to come back."""
    try:
        return _until_ended(client, job_id)
    except (Unavailable, KeyboardInterrupt):
        note(f"Job {job_id} goes on without this command: workmill job {job_id} --wait")
        raise


def _until_ended(client: Client, job_id: str) -> JobView:
    with meter(f"Job {job_id}") as shown:
        while True:
            view = client.job(job_id)
            shown.show(view.done, view.iterations, view.status)
            if view.status in ENDED:
                return view
            with suppress(WaitTimeout, JobEnded, Unavailable):  # the next look is patient, or tells
                client.result(job_id, timeout_seconds=LOOK_SECONDS)
