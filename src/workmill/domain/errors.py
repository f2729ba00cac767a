"""The one error tree. Each error knows its HTTP status and its stable problem type.

    WorkmillError 500
    ├── InvalidInput 422          the request says something it may not
    │   ├── MalformedRequest 400  the bytes are no HTTP
    │   ├── HeadTooLarge 431
    │   ├── BodyTooLarge 413
    │   └── BodyTimeout 408       it did not arrive in time
    ├── UnsupportedTransfer 501   a transfer coding that is not chunked
    ├── UnsupportedMethod 501     a method that no path takes, nor HTTP names
    ├── UnsupportedVersion 505    another HTTP than 1.x
    ├── NotAuthorized 401         no key, or the wrong one
    ├── CrossSite 403             a page of another site had a browser ask
    ├── NotFound 404              no such job or path
    ├── MethodNotAllowed 405      the path is right, the method is not
    ├── Conflict 409              the id already names other work
    │   ├── StaleLease 409        somebody else holds the job now
    │   └── AlreadyEnded 409      the job takes no such word any more
    ├── Unavailable 503           cannot promise anything now; try again
    │   ├── StoreUnavailable      the store did not answer or did not commit
    │   │   ├── StorePartlyUnavailable  some parts of it: most of a group may still stand
    │   │   ├── StoreFull         nothing new fits; what ends jobs is still taken
    │   │   ├── StoreDamaged      what it had acknowledged is not there, or it is another one
    │   │   └── StoreLost         and never will in this process: it must be replaced
    │   └── EndpointUnreachable   the client got no answer at all
    ├── JobEnded 410              the job will never have a result
    │   ├── JobFailed
    │   └── JobCancelled
    └── WaitTimeout 408           the result is not there yet; the job goes on

Foreign errors are translated into these once, where they enter the house.
A message says what happened, what was kept, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class WorkmillError(Exception):
    """Anything that Workmill reports; `retry_after_seconds` is set where waiting helps."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something failed inside Workmill"
    lasting: ClassVar[bool] = False
    """Whether a person has to do something first: asking again helps only where a time is named."""

    def __init__(self, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_seconds = retry_after_seconds


class InvalidInput(WorkmillError):
    status, slug, title = 422, "invalid-input", "The request is not valid"


class MalformedRequest(InvalidInput):
    status, slug, title = 400, "malformed-request", "The bytes are not an HTTP request"


class HeadTooLarge(InvalidInput):
    status, slug, title = (
        431,
        "head-too-large",
        "The request's head is larger than this service takes",
    )


class BodyTooLarge(InvalidInput):
    status, slug, title = 413, "body-too-large", "The body is larger than this service takes"


class BodyTimeout(InvalidInput):
    status, slug, title = 408, "body-timeout", "The body did not arrive in time"


class UnsupportedTransfer(WorkmillError):
    status, slug, title = 501, "transfer-coding-unsupported", "The body's coding is not taken"


class UnsupportedMethod(WorkmillError):
    status, slug, title = 501, "method-unsupported", "This method is not known here"


class UnsupportedVersion(WorkmillError):
    status, slug, title = 505, "version-unsupported", "This version of HTTP is not spoken here"


class NotAuthorized(WorkmillError):
    status, slug, title = 401, "not-authorized", "A valid key is needed"


class CrossSite(WorkmillError):
    status, slug, title = 403, "cross-site", "Another site's page may not ask this"


class NotFound(WorkmillError):
    status, slug, title = 404, "not-found", "There is no such thing here"


class MethodNotAllowed(WorkmillError):
    status, slug, title = 405, "method-not-allowed", "This path does not take this method"

    def __init__(self, detail: str = "", *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.allowed = allowed


class Conflict(WorkmillError):
    status, slug, title = 409, "conflict", "This id already names other work"


class StaleLease(Conflict):
    slug, title = "stale-lease", "The lease is no longer held"


class AlreadyEnded(Conflict):
    slug, title = "already-ended", "The job has ended already"


class Unavailable(WorkmillError):
    status, slug, title = 503, "unavailable", "The service cannot promise anything now"


class StoreUnavailable(Unavailable):
    slug, title = "store-unavailable", "The store did not confirm the change"


class StorePartlyUnavailable(StoreUnavailable):
    """Raised by a group at its end: its answers stand, but for those that `lost_of` names."""

    slug, title = "store-partly-unavailable", "A part of the store did not confirm the change"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: float | None = None,
        lost: Sequence[tuple[list[Any], Mapping[int, StoreUnavailable]]] = (),
    ) -> None:
        """`lost` has for each list of answers the places that count for nothing, and why."""
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self._lost = lost

    def lost_of(self, answers: object) -> Mapping[int, StoreUnavailable]:
        """Which places of this very list, as a verb gave it, are not to be relied on."""
        return next((places for listed, places in self._lost if listed is answers), {})


class StoreFull(StoreUnavailable):
    slug, title = "store-full", "The store has no room for anything new"


class StoreDamaged(StoreUnavailable):
    """Waiting does not help, and nothing is served on what is left: a person decides. `behind_ms`
    says, where that is known, how much older the store is than what it had acknowledged."""

    slug, title = "store-damaged", "The store has lost what it had acknowledged"
    lasting = True

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_seconds: float | None = None,
        behind_ms: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.behind_ms = behind_ms


class StoreLost(StoreUnavailable):
    slug, title = "store-lost", "The store cannot go on in this process"


class EndpointUnreachable(Unavailable):
    slug, title = "endpoint-unreachable", "No endpoint answered"


class JobEnded(WorkmillError):
    status, slug, title = 410, "job-ended", "The job ended without a result"


class JobFailed(JobEnded):
    slug, title = "job-failed", "The job failed"


class JobCancelled(JobEnded):
    slug, title = "job-cancelled", "The job was cancelled"


class WaitTimeout(WorkmillError, TimeoutError):
    status, slug, title = 408, "wait-timeout", "The result is not there yet"


def error_for(slug: str) -> type[WorkmillError]:
    """The error class with this slug; WorkmillError itself for a slug nobody knows."""
    return next((kind for kind in _tree(WorkmillError) if kind.slug == slug), WorkmillError)


def _tree(root: type[WorkmillError]) -> list[type[WorkmillError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _tree(child))]
