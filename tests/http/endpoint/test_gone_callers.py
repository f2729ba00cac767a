"""Results pulled by a caller that has hung up come back, whatever it left unread or unsaid.

While something lies behind a request, the endpoint does not read: the end of the caller's sending
then lies there unread, and a reset that answers our answer must not be taken for a reader's.
"""

from __future__ import annotations

import socket

import pytest
from tests.http.endpoint.conftest import TEST_SECONDS, Start

PULL = b"POST /pullCompleted?top=2 HTTP/1.1\r\nHost: x\r\n"
OTHER = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SENT = {
    "three pulls ahead": (PULL + b"\r\n") * 3,
    "others ahead": PULL + b"\r\n" + OTHER * 3,
    "half a head behind": PULL + b"\r\nGET /hea",
    "the last one, and more": PULL + b"Connection: close\r\n\r\n" + OTHER,
    "a body that breaks off": PULL + b"Content-Length: 9\r\n\r\n1",
    "a body that never begins": PULL + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "half a chunk": PULL + b"Transfer-Encoding: chunked\r\n\r\n9\r\n1",
    "broken chunks": PULL + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("name", SENT)
def test_nothing_is_delivered_to_who_closed_before_the_answer(start: Start, name: str) -> None:
    """Not one of the results counts as delivered before somebody has read it."""
    running = start()
    ids = {running.submit(b"%d" % number, 2) for number in range(20)}
    running.work()
    for _ in range(5):
        running.store.open.clear()
        running.store.held.clear()
        with socket.create_connection(("127.0.0.1", running.port), timeout=TEST_SECONDS) as line:
            line.sendall(SENT[name])
            assert running.store.held.wait(TEST_SECONDS)
        running.store.open.set()
    got: set[str] = set()
    while got < ids:
        for job_id in ids - got:
            assert running.http.get(f"/v1/jobs/{job_id}").json()["delivery"] != "delivered"
        new = {one["id"] for one in running.pull()}
        assert not got & new, "twice"
        got |= new


def test_only_what_a_proxy_passes_on_is_held(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of who asks directly the kernel knows; he has his answer at once, however late it is."""
    monkeypatch.setattr("workmill.endpoint.app.WAITED_SECONDS", 0.0)
    monkeypatch.setattr("workmill.endpoint.results.PULL_HOLD_SECONDS", 1e9)
    running = start()
    running.submit(b"direct", 2)
    running.work()
    assert len(running.pull()) == 1
