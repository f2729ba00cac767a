"""What a balancer is asked to do, done by a real HAProxy through its runtime socket."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from tests.balancer.doors import Door, open_door
from tests.balancer.stubs import Stub
from tests.system.processes import until

from workmill.controller.balancer import Place
from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.errors import Unavailable


def test_requests_are_spread_evenly(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """The same number for each endpoint, over many connections and over one."""
    one, two = stubs
    door.add(one.place, two.place)
    with httpx.Client(verify=False) as kept:  # noqa: S501 - no TLS here, and loading roots is slow
        for _ in range(200):
            kept.get(door.url)
        for _ in range(50):
            kept.get(door.url, headers={"connection": "close"})
    assert (one.answered, two.answered) == (125, 125)


def test_a_drained_endpoint_finishes_what_is_under_way(
    door: Door, stubs: tuple[Stub, Stub]
) -> None:
    """It gets nothing new, and whoever waits for an answer gets it."""
    one, two = stubs
    door.add(one.place)
    answers: list[httpx.Response] = []
    caller = threading.Thread(
        target=lambda: answers.append(httpx.get(door.url + "/hold", timeout=60))
    )
    caller.start()
    assert one.held.wait(60)
    door.add(two.place)
    asyncio.run(door.balancer.drain(one.place))
    assert {httpx.get(door.url).text for _ in range(4)} == {str(two.place.port)}
    drained = door.member(one.place)
    assert drained is not None
    assert (drained.standing, drained.under_way) == ("draining", 1)
    one.release.set()
    caller.join()
    assert (answers[0].status_code, answers[0].text) == (200, str(one.place.port))
    until(lambda: (member := door.member(one.place)) and member.under_way == 0)


def test_removing_lets_callers_go_and_frees_the_slot(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """Whoever waits for an endpoint that is given up hears so at once; another gets its place."""
    one, two = stubs
    door.add(one.place)
    answers: list[int] = []
    caller = threading.Thread(
        target=lambda: answers.append(httpx.get(door.url + "/hold", timeout=60).status_code)
    )
    caller.start()
    assert one.held.wait(60)
    asyncio.run(door.balancer.remove(one.place))
    caller.join()
    assert answers == [503]
    assert door.member(one.place) is None
    door.add(two.place)
    assert httpx.get(door.url).text == str(two.place.port)


def test_every_verb_may_be_repeated(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """A controller that does not know whether it was heard says it again."""
    place = stubs[0].place
    door.add(place)
    door.add(place)
    for verb in (door.balancer.drain, door.balancer.add, door.balancer.remove):
        asyncio.run(verb(place))
        asyncio.run(verb(place))
    assert asyncio.run(door.balancer.members()) == []


def test_an_endpoint_that_is_not_ready_gets_nothing(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """It is out while `/readyz` says 503, also when it never was ready, and then comes back."""
    one, two = stubs
    one.is_ready = False
    asyncio.run(door.balancer.add(one.place))
    door.add(two.place)
    door.wait_for(one.place, "out")
    assert {httpx.get(door.url).text for _ in range(4)} == {str(two.place.port)}
    one.is_ready = True
    door.wait_for(one.place, "serving")


def test_only_what_may_be_repeated_is_repeated(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """A request that was sent and not answered is tried elsewhere when it is a read or names its
    job; else it may have been carried out, and the caller is told."""
    one, two = stubs
    door.add(one.place, two.place)
    one.hang_up = True
    urls = [door.url + "/v1/stats", door.url + "/v1/jobs/1?iterations=1", door.url + "/enqueue"]
    read = [httpx.get(urls[0]).status_code for _ in range(2)]
    named = [httpx.put(urls[1], content=b"x").status_code for _ in range(2)]
    unnamed = sorted(httpx.put(urls[2], content=b"x").status_code for _ in range(2))
    assert (read, named, unnamed) == ([200, 200], [200, 200], [200, 502])


def test_tls_ends_at_the_door(tmp_path: Path, stubs: tuple[Stub, Stub]) -> None:
    """With a certificate the same port speaks TLS, and nothing else."""
    pem, key = tmp_path / "mill.pem", tmp_path / "key"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *words, "-out", pem, "-keyout", key], check=True, capture_output=True
    )
    trusted = pem.read_text()
    (tmp_path / "ca").write_text(trusted)
    pem.write_text(trusted + key.read_text())
    with open_door(tmp_path, WORKMILL_PEM=str(pem)) as door:
        door.add(stubs[0].place)
        encrypted = door.url.replace("http:", "https:")
        trusting = ssl.create_default_context(cafile=tmp_path / "ca")
        answer = httpx.get(encrypted, verify=trusting)
        assert (answer.status_code, "strict-transport-security" in answer.headers) == (200, True)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(door.url)


def test_a_reload_drops_no_connection(door: Door, stubs: tuple[Stub, Stub]) -> None:
    """Idle and busy connections outlive it, and the new process knows the same endpoints."""
    one, two = stubs
    door.add(one.place, two.place)
    idle = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    busy = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    idle.request("GET", "/")
    idle.getresponse().read()
    busy.request("GET", "/hold")
    until(lambda: one.held.is_set() or two.held.is_set())
    asyncio.run(door.balancer.drain(two.place))
    door.reload()
    idle.request("GET", "/")
    assert idle.getresponse().read()
    one.release.set()
    two.release.set()
    assert busy.getresponse().status == 200
    members = asyncio.run(door.balancer.members())
    assert {m.place: m.standing for m in members} == {one.place: "serving", two.place: "draining"}


async def test_a_balancer_that_is_gone_is_told(tmp_path: Path) -> None:
    """The controller hears what failed and that it may say it again."""
    with pytest.raises(Unavailable, match="may be repeated"):
        await HAProxy(tmp_path / "nobody").add(Place("127.0.0.1", 5000))
