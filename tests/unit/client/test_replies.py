"""Replies: good ones pass, all others become the one error tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.client.core import Reply, check
from workmill.domain import errors
from workmill.wire.codecs import to_json
from workmill.wire.messages import Problem


def kinds(root: type[errors.WorkmillError]) -> list[type[errors.WorkmillError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", kinds(errors.WorkmillError))
@pytest.mark.parametrize("prefix", ["", "urn:workmill:problem:", "https://example.net/problems/"])
def test_a_problem_comes_back_as_the_error_it_was(
    kind: type[errors.WorkmillError], prefix: str
) -> None:
    """Type, detail and waiting time of every error survive the way over the wire."""
    problem = Problem(
        type=prefix + kind.slug,
        title=kind.title,
        status=kind.status,
        detail="what happened",
        retry_after_seconds=2.5,
    )
    with pytest.raises(kind, match="what happened") as raised:
        check(Reply(kind.status, to_json(problem)))
    assert type(raised.value) is kind
    assert raised.value.retry_after_seconds == 2.5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidInput),
        (401, errors.NotAuthorized),
        (403, errors.NotAuthorized),
        (404, errors.NotFound),
        (413, errors.BodyTooLarge),
        (429, errors.Unavailable),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
        (301, errors.WorkmillError),
        (500, errors.WorkmillError),
    ],
)
def test_what_a_stranger_answers_is_still_told_apart(
    status: int, kind: type[errors.WorkmillError]
) -> None:
    """A balancer's HTML page becomes the nearest error, with the status in its message."""
    with pytest.raises(kind, match=str(status)) as raised:
        check(Reply(status, b"<html>\xff</html>"))
    assert type(raised.value) is kind


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_retry_after_is_kept(text: str, seconds: float | None) -> None:
    """The header's seconds are kept; a date is not guessed at."""
    with pytest.raises(errors.Unavailable) as raised:
        check(Reply(503, b"", {"retry-after": text}))
    assert raised.value.retry_after_seconds == seconds


@given(status=st.integers(200, 599), content=st.binary(max_size=300))
def test_any_bytes_from_a_server_end_in_a_reply_or_our_own_error(
    status: int, content: bytes
) -> None:
    """Nothing that arrives can raise anything else."""
    reply = Reply(status, content)
    try:
        assert check(reply) is reply
    except errors.WorkmillError:
        assert status >= 300
    else:
        assert status < 300
