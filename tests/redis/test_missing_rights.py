"""A server that is there and refuses: who may not do what, and how that is put right."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.redis.test_settings import USER, opened, submit, takes, without
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable

Act = Callable[[RedisServer], object]


def acl(*rules: str) -> Act:
    return lambda server: server.ask("ACL", "SETUSER", "mill", *rules)


def anew(*rules: str) -> Act:
    """Seen by whoever connects from now on."""

    def act(server: RedisServer) -> None:
        server.ask("ACL", "SETUSER", "mill", *rules)
        server.ask("CLIENT", "KILL", "USER", "mill")

    return act


def replicas_wanted(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")


def without_library(server: RedisServer) -> None:
    acl("-function")(server)
    server.ask("FUNCTION", "FLUSH")


REFUSALS: dict[str, tuple[Act, str]] = {
    "info": (acl("-info"), "user mill may not run info. Give the right: ACL SETUSER mill +info"),
    "role": (anew("-role"), "ACL SETUSER mill +role"),
    "fcall": (acl("-fcall"), "ACL SETUSER mill +fcall"),
    "function": (without_library, "ACL SETUSER mill +function|list"),
    "keys": (acl("resetkeys", "~other*"), "ACL SETUSER mill ~{w}*"),
    "in a function": (acl("-hset"), "ACL SETUSER mill +hset"),
    "deleted": (lambda one: one.ask("ACL", "DELUSER", "mill"), "ACL GETUSER mill"),
    "off": (anew("off"), "is off"),
    "password": (anew("resetpass", ">other"), "another password"),
    "too few replicas": (replicas_wanted, "min-replicas-to-write. Bring them back"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_says_what_is_missing(
    plain: RedisServer, kind: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """To the first caller, to those who come during the outage, and in the log; and what was given
    back is enough."""
    begin, said = REFUSALS[kind]
    without(plain)
    store = opened(plain, access=USER)
    submit(store)
    begin(plain)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match=re.escape(said)) as caught:
            submit(store)
        assert "cannot be reached" not in caught.value.detail
    assert said.encode() in capfdbinary.readouterr().err
    plain.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    without(plain)
    until(lambda: takes(store))
    store.close()


@pytest.mark.parametrize("right", ["info", "role", "fcall", "function|list"])
def test_a_start_without_a_right_says_which(plain: RedisServer, right: str) -> None:
    """With the line that gives it, as in an outage."""
    without(plain, f"-{right}")
    with pytest.raises(StoreUnavailable) as caught:
        opened(plain, access=USER)
    assert f"ACL SETUSER mill +{right}" in caught.value.detail
