"""The listening socket."""

import os
import socket

import pytest

from workmill.domain.errors import Unavailable
from workmill.endpoint import listener as listening
from workmill.endpoint.listener import listen, place_of, url_of


@pytest.fixture
def six() -> str:
    """This machine under IPv6. Many have none, or have it switched off; CI has it."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return "::1"
    except OSError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("this machine has no IPv6")


def test_a_caller_waits_while_nobody_accepts() -> None:
    """A connection made while no endpoint runs is kept for the next one, not refused."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()) as caller,
    ):
        caller.sendall(b"hello")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"


def test_a_taken_port_is_refused_with_a_way_out() -> None:
    """Two services never share a port by accident; the refusal says what to do."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"port {port}: .*--port"):
            listen("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_refused() -> None:
    """A host of another machine (RFC 5737) or of nobody (RFC 6761) is refused at once."""
    with pytest.raises(Unavailable, match="Cannot listen"):
        listen("192.0.2.1", 0)
    with pytest.raises(Unavailable, match="Cannot listen"):
        listen("no-such-host.invalid", 0)


def test_any_address_is_reached_over_loopback() -> None:
    """The supervisor's own workers use loopback when the service listens everywhere."""
    with listen("0.0.0.0", 0) as listener:  # noqa: S104
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_place_is_where_the_listener_is_bound() -> None:
    """Whoever chose an address meant it."""
    with listen("127.0.0.1", 0) as listener:
        assert place_of(listener) == f"127.0.0.1:{listener.getsockname()[1]}"


STORE, ROUTE, NAME = "store.example", "192.0.2.1", "this-host"


@pytest.mark.parametrize(
    ("routes", "place"),
    [
        ({STORE: "10.0.0.5", ROUTE: "203.0.113.5"}, "10.0.0.5"),
        ({STORE: "127.0.0.1", ROUTE: "203.0.113.5", NAME: "10.0.0.6"}, "203.0.113.5"),
        ({STORE: "127.0.0.1", NAME: "10.0.0.6"}, "10.0.0.6"),
        ({NAME: "127.0.1.1"}, "127.0.0.1"),
    ],
)
def test_bound_to_every_address_it_is_reached_by_one(
    monkeypatch: pytest.MonkeyPatch, routes: dict[str, str], place: str
) -> None:
    """The one towards the store; a store on this machine says nothing, so along the default route;
    by the host's name; and alone in the world, by loopback."""
    monkeypatch.setattr(socket, "gethostname", lambda: NAME)
    monkeypatch.setattr(
        listening, "_outgoing", lambda _family, target: routes.get(target, "127.0.0.1")
    )
    with listen("0.0.0.0", 0) as listener:  # noqa: S104
        assert place_of(listener, toward=STORE) == f"{place}:{listener.getsockname()[1]}"


def test_the_way_out_is_one_of_this_hosts_addresses() -> None:
    """The kernel is asked, nothing is sent, and a name of nobody (RFC 6761) is no way out."""
    assert listening._outgoing(socket.AF_INET, "127.0.0.3") == "127.0.0.1"
    assert listening._outgoing(socket.AF_INET, "no-such-host.invalid") == "127.0.0.1"
    assert listening._outgoing(socket.AF_INET6, "no-such-host.invalid") == "::1"


def test_a_place_of_six_has_brackets(six: str) -> None:
    """An address with colons in it is told apart from its port."""
    with listen(six, 0) as listener:
        assert place_of(listener) == f"[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "no-such-host.invalid", "1.2.3.4.5", "::zz"])
def test_what_is_no_address_is_refused_in_words(host: str) -> None:
    """Whatever the resolver or Python makes of it, and however long it is."""
    with pytest.raises(Unavailable, match=r"no such address|no name of a host") as refused:
        listen(host, 0)
    assert "--host" in refused.value.detail
    assert len(refused.value.detail) < 300


def test_an_address_of_six_may_stand_in_brackets(six: str) -> None:
    """As people copy it from a URL."""
    with listen(f"[{six}]", 0) as listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_a_port_for_root_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 80 as another user: the port is free, and to be told to stop its user helps nobody."""

    def denied(*_: object, **__: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", denied)
    with pytest.raises(Unavailable, match="Ports below 1024 are for root"):
        listen("127.0.0.1", 80)
