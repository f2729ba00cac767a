"""What a person hears of a service before it has answered."""

from __future__ import annotations

import threading

import pytest

from workmill.cli import connection
from workmill.client.steps import Reply, Request
from workmill.client.sync_transport import Transport
from workmill.domain.errors import EndpointUnreachable, NotAuthorized

URL = ["http://mill.example:5000"]


def test_a_name_that_is_never_found_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking a name up has no bound of its own: the look has one."""
    over = threading.Event()

    def endless(_transport: Transport, _request: Request) -> Reply:
        over.wait()
        raise EndpointUnreachable

    monkeypatch.setattr(Transport, "send", endless)
    monkeypatch.setattr(connection, "LOOK_SECONDS", 0.01)
    with pytest.raises(EndpointUnreachable, match="5000: no answer within"):
        connection._look(URL)
    over.set()


def test_an_error_of_the_look_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is raised where it can be told, and not lost in a thread."""

    def odd(_transport: Transport, _request: Request) -> Reply:
        raise UnicodeError("label empty")

    monkeypatch.setattr(Transport, "send", odd)
    with pytest.raises(UnicodeError, match="label empty"):
        connection._look(URL)


def test_it_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However patient the command is afterwards: nobody there does not pass."""
    asked: list[Request] = []

    def refused(_transport: Transport, request: Request) -> Reply:
        asked.append(request)
        raise EndpointUnreachable("No endpoint answered.")

    monkeypatch.setattr(Transport, "send", refused)
    with pytest.raises(EndpointUnreachable), connection.connect(URL, None):
        pass
    assert len(asked) == 1


REFUSAL = b'{"type":"urn:workmill:problem:not-authorized","title":"t","status":401}'


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b'{"status":"ready"}'), ""),
        (Reply(401, REFUSAL), ""),
        (Reply(503), "not ready; retrying"),
        (Reply(200, b"<b>hi</b>"), "no endpoint of Workmill (HTTP status 200), or not now; asking"),
        (Reply(404, b"no"), "no endpoint of Workmill (HTTP status 404), or not now; asking"),
    ],
)
def test_who_is_not_ready_is_asked_again(
    reply: Reply,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And the person knows why it takes longer."""
    monkeypatch.setattr(Transport, "send", lambda *_: reply)
    with connection.connect(URL, None):
        told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)


def test_a_refusal_of_no_key_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "send", lambda *_: Reply(200, b'{"status":"ready"}'))
    with pytest.raises(NotAuthorized, match="--key-file FILE, or WORKMILL_KEY_FILE"):
        _refused()


def _refused() -> None:
    with connection.connect(URL, None):
        raise NotAuthorized("Send it as Authorization: Bearer KEY")
