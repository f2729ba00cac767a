"""What answers at a Redis' address and is none: every reply is one that cannot be read, and none is
taken for good."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from tests.unit.store.redis.fakes import S1, S2, S3, FakeNetwork, FakeSentinel

from workmill.doctor import redis as doctor
from workmill.store.redis import sentinel
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Access, Address, Node
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.durability import read_shown
from workmill.store.redis.primary_discovery import Servers
from workmill.store.redis.replication_info import read_replication, read_role
from workmill.store.redis.sentinel import Sentinels, read_witness

LIES = {
    "nothing": b"$-1\r\n",
    "a word": b"+OK\r\n",
    "a number": b":7\r\n",
    "no number": b":x\r\n",
    "an empty list": b"*0\r\n",
    "a list of nothing": b"*2\r\n$-1\r\n$-1\r\n",
    "half a pair": b"*1\r\n$1\r\na\r\n",
    "lists in lists": b"*1\r\n" * 100_000,
    "no list": b"*-5\r\n",
    "what nobody asked for": b">2\r\n+a\r\n+b\r\n" * 2000,
    "no version": b"$20\r\nredis_version:banana\r\n",
}


@contextmanager
def answering(lie: bytes) -> Iterator[int]:
    """A server that says this to whatever it is asked, once for each command."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def serve(caller: socket.socket) -> None:
        with suppress(OSError):
            while heard := caller.recv(65536):
                caller.sendall(lie * max(1, heard.count(b"*")))

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken.append(listener.accept()[0])
                threading.Thread(target=serve, args=(taken[-1],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in (listener, *taken):
            one.close()


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_store_on_it_is_not_opened(lie: bytes) -> None:
    """Neither at its address nor behind a Sentinel that it plays: no other error than these."""
    with answering(lie) as port:
        for name in (None, "mill"):
            address = Address(nodes=(Node("127.0.0.1", port),), name=name)
            servers = Servers(address, Level.DISK)
            with pytest.raises((Silent, Refused)):
                servers.find_primary()
            servers.close()


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_the_doctor_says_that_it_must_be_mended(lie: bytes) -> None:
    """Also when it cannot make sense of what it is told."""
    with answering(lie) as port:
        for name in (None, "mill"):
            address = Address(nodes=(Node("127.0.0.1", port),), name=name)
            assert "mend" in {finding.verdict for finding in doctor.stores([address])}


def test_a_reply_that_no_memory_holds_is_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much is announced is not believed: the connection ends, the process does not."""

    def fail(error: Exception, **_: Any) -> None:
        raise error

    with answering(b"+OK\r\n") as port:
        for error in (MemoryError(), RecursionError("deep"), OverflowError("large")):
            connection = Connection(Node("127.0.0.1", port), Access())
            driver = connection._driver
            monkeypatch.setattr(driver, "read_response", partial(fail, error))
            with pytest.raises(Silent, match=type(error).__name__):
                connection.ask("PING")
            assert not connection.is_alive()
            with pytest.raises(Silent):
                connection.ask("PING")


@pytest.mark.parametrize("reply", [None, b"OK", 7, [], [None, None], [b"odd"], [[], {}]])
def test_no_reply_is_read_as_another(reply: Any) -> None:
    """The outcome of what was sent before is then unknown, and is treated so."""
    for read in (
        read_role,
        read_replication,
        lambda one: read_witness(one, one),
        lambda one: read_shown(Node("r", 1), one, one),
    ):
        with pytest.raises(Silent) as told:
            read(reply)
        assert len(str(told.value)) < 200


def test_a_count_is_not_believed() -> None:
    """Neither of replicas nor of bytes: what is read is what there is."""
    fields = ["role:master", "master_replid:h", "master_replid2:0", "master_repl_offset:1"]
    text = "\n".join([*fields, f"connected_slaves:{10**15}"]).encode()
    assert read_replication(text).acknowledged == {}
    with pytest.raises(Silent):
        read_role([10**15, 1, []])
    for odd in (b"banana", b"-1"):
        with pytest.raises(Silent):
            read_shown(Node("r", 1), b"evicted_keys:" + odd, [])


def test_one_sentinel_that_makes_no_sense_leaves_the_others_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is left alone like one that is dead, and named in the complaint."""
    odd = FakeSentinel(S2)
    monkeypatch.setattr(odd, "reply", lambda _: [b"odd"])
    monkeypatch.setattr(
        sentinel, "Connection", FakeNetwork(FakeSentinel(S1), odd, FakeSentinel(S3))
    )
    sentinels = Sentinels((S1, S2, S3), "mill", Access())
    assert len(sentinels.ask()) == 2
    assert "no reply to SENTINEL" in sentinels.complaint
    assert len(sentinels.ask()) == 2
