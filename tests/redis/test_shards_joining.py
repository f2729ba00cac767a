"""Which servers are taken for the parts of a store, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from tests.redis.shards import TAG, away, open_on
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink
from workmill.store.redis.part import PartStore
from workmill.store.sharded.opening import open_parts
from workmill.store.sharded.part import Opened


def test_parts_are_known_by_their_place(servers: list[RedisServer]) -> None:
    """Given in another order, or with one left out, they are refused: jobs would go astray."""
    open_on(servers[:2]).close()
    with pytest.raises(InvalidInput, match="in the order in which they were first given"):
        open_on([servers[1], servers[0]])
    with pytest.raises(InvalidInput, match="is part 1 of its store"):
        open_on([servers[1], servers[2]])
    open_on(servers).close()


def test_a_part_of_another_store_is_refused(servers: list[RedisServer]) -> None:
    """Under the same number it would pass for the right one, and jobs would be missed in it: at
    the start, and when it comes to the place of one that was away."""
    mine, theirs, neighbour = servers
    open_on([neighbour, theirs]).close()
    neighbour.ask("FLUSHALL")
    open_on([mine, neighbour]).close()
    with pytest.raises(InvalidInput, match="is part 1 of another store than the parts before it"):
        open_on([mine, theirs])
    theirs.kill()
    store = open_on([mine, theirs])
    theirs.start()
    until(lambda: _met(theirs))
    assert away(store) == (str(theirs.node),)
    store.close()


def _met(server: RedisServer) -> bool:
    """Whether an endpoint has looked at it since its start."""
    return b"cmdstat_fcall" in server.ask("INFO", "commandstats")


def test_an_empty_part_does_not_pass_for_one_that_is_known(servers: list[RedisServer]) -> None:
    """A part that lost its data, or an empty server at its address, is not taken for a new one."""
    open_on(servers[:2]).close()
    with pytest.raises(InvalidInput, match="was given as part 0, and is no part of a store"):
        open_on([servers[2], servers[1]])
    assert servers[2].ask("GET", TAG + "part") is None


def test_a_new_part_joins_when_all_before_it_are_there(servers: list[RedisServer]) -> None:
    """Else nobody could tell later whether one of those is as new or has lost its data."""
    open_on(servers[:2]).close()
    servers[1].kill()
    with pytest.raises(StoreUnavailable, match="joins when all before it are there"):
        open_on(servers)
    servers[1].start()
    servers[2].kill()
    store = open_on(servers)
    servers[2].start()
    until(lambda: not away(store))
    store.close()
    open_on(servers).close()


class Overtaken(PartStore):
    """A part that another endpoint joins just before this one does."""

    meanwhile: Callable[[], None]

    def join(self, number: int, since_ms: int, family: str) -> None:
        self.meanwhile()
        super().join(number, since_ms, family)


def test_two_endpoints_found_one_store(servers: list[RedisServer]) -> None:
    """Both have seen that it is new; what one of them noted first holds for both."""

    def opener(server: RedisServer) -> Opened:
        part = Overtaken(partial(RedisLink, server.address, TAG, prepare=load))
        part.meanwhile = lambda: open_on(servers[:2]).close()
        return Opened(part, part)

    openers = [(str(server.node), partial(opener, server)) for server in servers[:2]]
    open_parts(openers).close()
    families = {server.ask("GET", TAG + "part").split()[2] for server in servers[:2]}
    assert len(families) == 1


def test_a_new_store_needs_all_its_parts_once(servers: list[RedisServer]) -> None:
    """Else nobody would know whether the one that is away was ever there."""
    servers[1].kill()
    with pytest.raises(StoreUnavailable):
        open_on(servers[:2])
