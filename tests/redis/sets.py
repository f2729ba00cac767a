"""The smallest store there can be: a set of ids, kept by a function library of one function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from tests.redis_servers import RedisServer

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis.acknowledgement import Judgement, Level, Picture, copies, judge
from workmill.store.redis.addresses import Address
from workmill.store.redis.connection import Connection
from workmill.store.redis.primary_link import Pace, RedisLink

KEY = "{set}ids"
LIBRARY = """#!lua name=set
redis.register_function('set_add', function(keys, args)
  return redis.call('SADD', keys[1], args[1])
end)
"""


def prepare(connection: Connection) -> None:
    if not connection.ask("FUNCTION", "LIST", "LIBRARYNAME", "set"):
        connection.ask("FUNCTION", "LOAD", LIBRARY)


def wait_one(picture: Picture) -> Judgement:
    """What plain `WAIT 1` takes for success; to show that the harness sees what it loses."""
    return Judgement(acknowledged=len(copies(picture)) >= 1, reason="one replica has it")


def any_follower(picture: Picture) -> Judgement:
    """Excuses whoever says that it follows the primary, in whatever state its link is."""
    following = {
        node for node, answer in picture.answers.items() if answer.role.follows == picture.primary
    }
    role = replace(picture.role, replicas=picture.role.replicas - following)
    return judge(replace(picture, role=role, known=picture.known - following, witnesses=()))


class SetStore:
    """Adds ids, and knows which of them were acknowledged."""

    def __init__(
        self,
        address: Address,
        *,
        verdict: Callable[[Picture], Judgement] = judge,
        level: Level | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.link = RedisLink(
            address, KEY, prepare=prepare, verdict=verdict, level=level, pace=pace
        )
        self.acknowledged: set[bytes] = set()

    def add(self, *ids: bytes) -> None:
        """One group. Raises StoreUnavailable when it is not acknowledged."""
        for one in ids:
            self.link.call("set_add", one, writes=True)
        self.link.confirm()
        self.acknowledged.update(ids)

    def try_to_add(self, *ids: bytes) -> bool:
        try:
            self.add(*ids)
        except StoreUnavailable:
            return False
        return True

    def lost(self, server: RedisServer) -> set[bytes]:
        """What was acknowledged and is not there."""
        return self.acknowledged - set(server.ask("SMEMBERS", KEY))


def numbered(count: int, prefix: str = "") -> Iterable[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]
