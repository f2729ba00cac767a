"""A key that is changed in its file while a transport is in use."""

from __future__ import annotations

import httpx
import pytest

from workmill.client.key_file import KeyFileTransport
from workmill.client.steps import Request
from workmill.domain.errors import InvalidInput

ASK = Request("GET", "/v1/stats")


class Service:
    """Takes one key, which may be changed; notes the keys that it was shown."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.shown: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.shown.append(key)
        return httpx.Response(200 if key == self.key else 401)


class KeyFile:
    """What the file holds; None while it cannot be read."""

    def __init__(self, key: str | None) -> None:
        self.key = key

    def read(self) -> str:
        if self.key is None:
            raise InvalidInput("The key file is empty.")
        return self.key


def connected(service: Service, file: KeyFile) -> KeyFileTransport:
    network = httpx.MockTransport(service.answer)
    return KeyFileTransport("http://mill", file.read, through=network)


def test_a_changed_key_is_used_in_the_same_attempt() -> None:
    """The request is sent once more, and the new key from then on."""
    service, file = Service("new"), KeyFile("old")
    transport = connected(service, file)
    file.key = "new"
    assert transport.send(ASK).status == 200
    assert transport.send(ASK).status == 200
    assert service.shown == ["old", "new", "new"]


def test_a_key_that_is_still_the_same_is_refused_once_an_attempt() -> None:
    """Nothing is sent twice for nothing."""
    service, file = Service("new"), KeyFile("old")
    transport = connected(service, file)
    assert transport.send(ASK).status == 401
    assert service.shown == ["old"]


def test_a_file_that_is_being_written_is_read_the_next_time() -> None:
    """An empty file changes nothing and is no error."""
    service, file = Service("new"), KeyFile("old")
    transport = connected(service, file)
    file.key = None
    assert transport.send(ASK).status == 401
    file.key = "new"
    assert transport.send(ASK).status == 200


def test_what_another_thread_has_taken_up_is_used() -> None:
    """Refused with the old key while another thread changed it: asked again with the new one."""
    service, file = Service("old"), KeyFile("old")

    def answer(request: httpx.Request) -> httpx.Response:
        if service.key == "old":  # the key changes while this request is under way
            service.key = file.key = "new"
            assert transport.send(ASK).status == 200
        return service.answer(request)

    transport = KeyFileTransport("http://mill", file.read, through=httpx.MockTransport(answer))
    assert transport.send(ASK).status == 200
    assert service.shown == ["old", "new", "old", "new"]


def test_a_bad_file_at_the_start_is_told_at_once() -> None:
    """Nothing runs without the key that it was told to read."""
    with pytest.raises(InvalidInput):
        connected(Service("new"), KeyFile(None))
