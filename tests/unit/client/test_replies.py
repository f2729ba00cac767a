"""Replies: good ones pass, all others become the one error tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.client.steps import Reply, check
from workmill.domain import errors
from workmill.wire.codecs import PROBLEM, to_json
from workmill.wire.messages import PROBLEM_PREFIX, Problem


def kinds(root: type[errors.WorkmillError]) -> list[type[errors.WorkmillError]]:
    """The public ones: what a module raises for itself alone never goes over the wire."""
    below = [kind for child in root.__subclasses__() for kind in kinds(child)]
    return [kind for kind in (root, *below) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", kinds(errors.WorkmillError))
def test_a_problem_comes_back_as_the_error_it_was(kind: type[errors.WorkmillError]) -> None:
    """Type, detail and waiting time of every error survive the way over the wire."""
    problem = Problem(
        type=PROBLEM_PREFIX + kind.slug,
        title=kind.title,
        status=kind.status,
        detail="what happened",
        retry_after_seconds=2.5,
    )
    with pytest.raises(kind, match="what happened") as raised:
        check(Reply(kind.status, to_json(problem), {"content-type": PROBLEM}))
    assert type(raised.value) is kind
    assert raised.value.retry_after_seconds == 2.5


OWN = to_json(Problem(type=PROBLEM_PREFIX + "not-found", title="t", status=404))


@pytest.mark.parametrize(
    "status", [301, 307, 400, 401, 403, 404, 405, 408, 413, 429, 451, 500, 503]
)
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>\xff</html>", "text/html"),
        (b"", ""),
        (b'{"type":"about:blank","title":"t","status":404}', PROBLEM),
        (b'{"type":"not-found","title":"t","status":404}', PROBLEM),
        (OWN[:-1], PROBLEM),
        (OWN, "text/html"),
    ],
)
def test_what_a_stranger_answers_is_no_answer(status: int, content: bytes, kind: str) -> None:
    """A balancer's page says nothing about the request, whatever its status: not that there is no
    such job, nor that the key is wrong. It counts as silence, with the status in its message."""
    with pytest.raises(errors.EndpointUnreachable, match=str(status)):
        check(Reply(status, content, {"content-type": kind}))


def test_a_type_of_ours_that_is_not_known_yet_goes_by_its_status() -> None:
    """An endpoint newer than its client is still an endpoint."""
    problem = to_json(Problem(type=PROBLEM_PREFIX + "new", title="t", status=404))
    with pytest.raises(errors.NotFound):
        check(Reply(404, problem, {"content-type": PROBLEM}))


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
        assert status not in {200, 204}
    else:
        assert status in {200, 204}
