"""Which servers are taken for the parts of a store, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from tests.redis.shards import TAG, away, open_on
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.store.redis.addresses import Address, Node
from workmill.store.redis.lua_library import load
from workmill.store.redis.open_store import open_redis
from workmill.store.redis.primary_link import RedisLink
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded.open_shards import open_parts, open_sharded
from workmill.store.sharded.shard import Opened


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


def untouched(server: RedisServer) -> bool:
    """Whether there is nothing on it at all."""
    return (server.ask("DBSIZE"), server.ask("FUNCTION", "LIST")) == (0, [])


def test_one_server_under_two_names_is_refused_unmarked(servers: list[RedisServer]) -> None:
    """All are looked at before any is opened: the right start is not refused afterwards."""
    mine = servers[0]
    named = Address(nodes=(Node("localhost", mine.node.port),))
    with pytest.raises(InvalidInput, match="are the same server"):
        open_sharded([mine.address, named])
    assert untouched(mine)
    open_sharded([mine.address, servers[1].address]).close()


def test_a_refused_start_marks_none_of_the_others(servers: list[RedisServer]) -> None:
    """One is away, one cannot keep what it acknowledges, one is of another store."""
    mine, bad, theirs = servers
    bad.ask("CONFIG", "SET", "appendfsync", "everysec")
    with pytest.raises(StoreUnavailable, match="appendfsync always"):
        open_sharded([mine.address, bad.address])
    assert untouched(mine)
    assert untouched(bad)
    bad.kill()
    with pytest.raises(StoreUnavailable, match="could not be reached"):
        open_sharded([mine.address, bad.address])
    assert untouched(mine)
    bad.start()
    open_sharded([bad.address, theirs.address]).close()
    with pytest.raises(InvalidInput, match="is part 1 of its store"):
        open_sharded([theirs.address, mine.address])
    with pytest.raises(InvalidInput, match="is part 0 of its store"):
        open_sharded([mine.address, bad.address])
    assert untouched(mine)


def test_one_shard_is_not_opened_alone(servers: list[RedisServer]) -> None:
    """It would show a part of the jobs, and take in what belongs elsewhere."""
    open_sharded([one.address for one in servers[:2]]).close()
    for one in servers[:2]:
        with pytest.raises(InvalidInput, match="of a store of several"):
            open_redis(one.address)


def test_a_last_part_that_lost_its_data_is_not_taken_for_new(servers: list[RedisServer]) -> None:
    """Each knows how many there are: at the start, and when it comes back."""
    addresses = [one.address for one in servers[:2]]
    store = open_sharded(addresses)
    servers[1].ask("FLUSHALL")
    until(lambda: away(store) == (str(servers[1].address),))
    store.close()
    with pytest.raises(InvalidInput, match="was given as part 1, and is no part of a store"):
        open_sharded(addresses)
    servers[1].kill()
    store = open_sharded(addresses)
    servers[1].start()
    until(lambda: _met(servers[1]))
    assert away(store) == (str(servers[1].address),)
    store.close()


def test_a_start_that_was_cut_short_is_gone_on_with(servers: list[RedisServer]) -> None:
    """The first has its number already, the second not yet."""
    open_on(servers[:2]).close()
    servers[1].ask("FLUSHALL")
    servers[0].ask("HDEL", TAG + "mark", "shards")
    open_sharded([one.address for one in servers[:2]]).close()
