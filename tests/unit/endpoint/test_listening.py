"""The listening socket."""

import socket

import pytest

from workmill.domain.errors import Unavailable
from workmill.endpoint.listening import listen, url_of


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
