"""Errors as problem documents (RFC 9457) with a stable `type` and an honest Retry-After."""

from __future__ import annotations

import math

from workmill.domain.errors import MethodNotAllowed, NotAuthorized, WorkmillError
from workmill.endpoint.handlers import Reply
from workmill.wire import codecs
from workmill.wire.messages import PROBLEM_PREFIX, Problem


def problem_of(error: WorkmillError) -> Problem:
    """The document that tells a caller about this error."""
    return Problem(
        type=PROBLEM_PREFIX + error.slug,
        title=error.title,
        status=error.status,
        detail=error.detail,
        retry_after_seconds=error.retry_after_seconds,
    )


def problem_reply(error: WorkmillError) -> Reply:
    """The whole answer, with the headers that its kind calls for."""
    reply = Reply.of(codecs.to_json(problem_of(error)), codecs.PROBLEM, status=error.status)
    if error.retry_after_seconds is not None:
        whole_seconds = max(1, math.ceil(error.retry_after_seconds))
        reply.headers.append((b"retry-after", str(whole_seconds).encode()))
    if isinstance(error, NotAuthorized):
        reply.headers.append((b"www-authenticate", b'Bearer realm="workmill"'))
    if isinstance(error, MethodNotAllowed):
        reply.headers.append((b"allow", ", ".join(error.allowed).encode()))
    return reply
