"""A right that is taken away while the store serves breaks off no verb in its midst."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.job_factory import new_job, state_of
from tests.redis.test_another_store import NODE
from tests.redis.test_settings import USER, without
from tests.redis.test_shards import request
from tests.redis_servers import RedisServer, connected

from workmill.domain.job import (
    Acknowledgement,
    Candidacy,
    Completion,
    Failure,
    PullRequest,
    Renewal,
)
from workmill.store.redis import RedisStore
from workmill.store.redis.connection import Refused
from workmill.store.redis.lua_library import COMMANDS, load
from workmill.store.redis.open_store import TAG
from workmill.store.redis.primary_link import RedisLink


class Tried(RedisLink):
    """Has every change refused for each right in turn before it is really made."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server.address, TAG, prepare=load)
        self._server = server
        self.verbs = set[str]()

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        if writes and self._server.ask("FUNCTION", "LIST"):
            self.verbs.add(function.partition("_")[2].partition("_")[2])
            self._try(function, payload)
        return super().call(function, payload, writes=writes)

    def _try(self, function: str, payload: bytes) -> None:
        before = self._keys()
        with connected(self._server.node, USER) as connection:
            for command in COMMANDS:
                self._server.ask("ACL", "SETUSER", "mill", f"-{command}")
                with pytest.raises(Refused, match=f"'{command}' command"):
                    connection.ask("FCALL", function, 1, TAG, payload)
                self._server.ask("ACL", "SETUSER", "mill", f"+{command}")
        assert self._keys() == before

    def _keys(self) -> dict[bytes, bytes]:
        return {name: self._server.ask("DUMP", name) for name in self._server.ask("KEYS", "*")}


def test_a_verb_is_carried_out_whole_or_refused_before_it_begins(
    plain: RedisServer,
) -> None:
    """Redis takes nothing back of a function that fails: a job would be in no queue any more, or a
    result in nobody's hands, for good."""
    without(plain)
    link = Tried(plain)
    store = RedisStore(lambda: link)
    with store.group():
        store.submit([new_job(name, total=100) for name in "abcde"] + [new_job("f", total=1)])
    with store.group():
        first, second, third, fourth = store.lease(request(4))
    with store.group():
        renewal = Renewal(id=first.id, token=first.token, done=1, state=bytes(64), lease_seconds=9)
        store.renew([renewal])
        store.complete([Completion(id=first.id, token=first.token, state=state_of("a", 100))])
        store.fail([Failure(id=second.id, token=second.token, reason="r")])
        store.release([third.unused()])
        store.cancel([fourth.id])
    with store.group():
        pulled = store.pull(PullRequest(top=1, receipt_seconds=60))
        assert pulled.receipt is not None
        store.acknowledge([Acknowledgement(receipt=pulled.receipt)])
        store.pull(PullRequest(top=1))
        store.beat([NODE])
        store.lead([Candidacy(candidate="c", lease_seconds=15)])
        store.purge(10)
        store.probe()
    assert link.verbs >= {"submit", "complete", "fail", "release", "cancel", "pull", "purge"}
    store.close()
