"""The acknowledgement rule, tried on every kind of picture that it can be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.store.redis.acknowledgement import Answer, Picture, Witness, copies, judge, servers
from workmill.store.redis.addresses import Node
from workmill.store.redis.replication_info import NO_HISTORY, Replication, Role

P, R1, R2, R3 = (Node(name, 6379) for name in ("p", "r1", "r2", "r3"))
HISTORY, EARLIER, OTHER = "h" * 40, "e" * 40, "o" * 40
OFFSET = 1000
SENTINELS = 3


def replication(**acknowledged: int) -> Replication:
    """The primary's INFO, with what each replica has acknowledged."""
    return Replication(
        is_primary=True,
        history=HISTORY,
        earlier=EARLIER,
        offset=OFFSET + 37,
        acknowledged={Node(name, 6379): offset for name, offset in acknowledged.items()},
    )


def picture(known: Iterable[Node] = (R1, R2), **acknowledged: int) -> Picture:
    return Picture(
        primary=P,
        history=HISTORY,
        role=Role(is_primary=True, offset=OFFSET),
        replication=replication(**acknowledged),
        known=frozenset({P, *known}),
        sentinels=SENTINELS,
    )


def witness(
    *down: Node, primary: Node = P, behind: int = 1, unlinked: frozenset[Node] = frozenset({R2})
) -> Witness:
    """A Sentinel that saw R1 at the change, and R2 `behind` it and without a link."""
    seen = {R1: OFFSET, R2: OFFSET - behind}
    return Witness(primary=primary, epoch=1, replicas=seen, unlinked=unlinked, down=frozenset(down))


def follows(node: Node, link: str) -> Answer:
    role = Role(is_primary=False, follows=node, link=link)
    own = Replication(is_primary=False, history=HISTORY, earlier="", offset=0, acknowledged={})
    return Answer(role=role, replication=own)


def leads(history: str) -> Answer:
    own = Replication(
        is_primary=True, history=history, earlier=NO_HISTORY, offset=0, acknowledged={}
    )
    return Answer(role=Role(is_primary=True), replication=own)


def test_all_replicas_have_it() -> None:
    """The healthy case needs nobody's word but the primary's."""
    assert judge(picture(r1=OFFSET, r2=OFFSET + 5)).acknowledged


def test_one_of_two_is_not_enough() -> None:
    """This is what WAIT 1 takes for success: the other one may have been promoted."""
    found = judge(picture(r1=OFFSET, r2=OFFSET - 1))
    assert not found.acknowledged
    assert found.missing == {R2}
    assert judge(picture(r1=OFFSET)).missing == {R2}


def test_it_is_never_acknowledged_without_a_copy() -> None:
    """With every replica down the primary's own disk is the only one: that is no replication."""
    alone = replace(picture(), witnesses=[witness(R1, R2)] * SENTINELS)
    assert not judge(alone).acknowledged
    assert not judge(picture(known=())).acknowledged


@pytest.mark.parametrize(("votes", "acknowledged"), [(1, False), (2, True), (3, True)])
def test_down_is_what_a_majority_of_all_sentinels_sees(votes: int, acknowledged: bool) -> None:
    """(a): two of three, whether or not the third one answers."""
    said = [witness(R2)] * votes + [witness()] * (SENTINELS - votes)
    assert judge(replace(picture(r1=OFFSET), witnesses=said)).acknowledged is acknowledged
    silent = replace(picture(r1=OFFSET), witnesses=[witness(R2)] * votes)
    assert judge(silent).acknowledged is acknowledged


@pytest.mark.parametrize(
    ("cut", "closed", "acknowledged"),
    [(2, True, True), (1, True, False), (3, False, False), (0, True, False)],
)
def test_a_lost_connection_counts_only_where_nobody_listens(
    cut: int, closed: bool, acknowledged: bool
) -> None:
    """A promotion too ends the Sentinels' connections. So a majority must have lost theirs, and
    the server's own machine must say that it does not run."""
    said = [replace(witness(), cut=frozenset({R2}))] * cut
    shown = replace(picture(r1=OFFSET), witnesses=said, closed=frozenset({R2} if closed else ()))
    assert judge(shown).acknowledged is acknowledged


def test_a_sentinel_with_another_primary_excuses_nobody() -> None:
    """Who follows another primary knows nothing about the absence from this one."""
    elsewhere = [witness(R2, primary=R3)] * SENTINELS
    assert not judge(replace(picture(r1=OFFSET), witnesses=elsewhere)).acknowledged


@pytest.mark.parametrize(
    ("answer", "acknowledged"),
    [
        (follows(P, "sync"), True),
        (follows(P, "handshake"), False),
        (follows(P, "connect"), False),
        (follows(P, "connecting"), False),
        (follows(P, "connected"), False),
        (follows(R1, "sync"), False),
        (leads(EARLIER), True),
        (leads(OTHER), False),
        (leads(HISTORY), False),
    ],
)
def test_what_an_absent_server_says_for_itself(answer: Answer, acknowledged: bool) -> None:
    """(b) a replica of this primary in the midst of a synchronisation, and (c) the primary
    before this one, are harmless. One that is cut off, or leads another history, is not."""
    said = replace(picture(r1=OFFSET), witnesses=[witness()] * SENTINELS, answers={R2: answer})
    found = judge(said)
    assert found.acknowledged is acknowledged
    assert found.superseded is (answer in (leads(OTHER), leads(HISTORY)))


@pytest.mark.parametrize(
    "said",
    [
        [],
        [witness()],
        [witness(behind=0)] * SENTINELS,
        [witness(behind=-5)] * SENTINELS,
        [witness(R1)] * SENTINELS,
        [witness(primary=R3)] * SENTINELS,
        [witness(unlinked=frozenset())] * SENTINELS,
    ],
)
def test_a_syncing_replica_must_be_seen_behind(said: list[Witness]) -> None:
    """Sentinels promote whoever they saw furthest: if that may be a replica that has thrown its
    copy away, or their word is missing, the primary's death would lose the change."""
    shown = replace(picture(r1=OFFSET), witnesses=said, answers={R2: follows(P, "sync")})
    assert not judge(shown).acknowledged


def test_its_own_word_goes_before_what_others_say() -> None:
    """A promoted replica refutes the old primary, though every Sentinel saw it down before."""
    said = replace(
        picture(r1=OFFSET), witnesses=[witness(R2)] * SENTINELS, answers={R2: leads(OTHER)}
    )
    assert judge(said).superseded


def test_a_server_without_a_past_is_not_the_one_before() -> None:
    """Zeros stand for no history at all: an empty server that leads is a stranger."""
    fresh = replace(replication(r1=OFFSET), earlier=NO_HISTORY)
    said = replace(picture(), replication=fresh, answers={R2: leads(NO_HISTORY)})
    assert judge(said).superseded


def test_a_changed_history_is_another_primary() -> None:
    """A server that was demoted and promoted again in between may have lost the change."""
    assert judge(replace(picture(r1=OFFSET, r2=OFFSET), history=OTHER)).superseded
    demoted = replace(replication(r1=OFFSET, r2=OFFSET), is_primary=False)
    assert judge(replace(picture(), replication=demoted)).superseded


def test_without_sentinels_every_online_replica_confirms() -> None:
    """Nobody promotes there, so only the servers that ROLE and INFO name are asked for."""
    plain = replace(picture(known=(), r1=OFFSET), sentinels=0)
    assert judge(plain).acknowledged
    gone = replace(plain, role=replace(plain.role, replicas=frozenset({R1, R2})))
    assert judge(gone).missing == {R2}


offsets = st.sampled_from([OFFSET - 1, OFFSET, OFFSET + 1])
nodes = st.sampled_from([R1, R2, R3])
answers = st.one_of(
    st.builds(follows, st.sampled_from([P, R1]), st.sampled_from(["connect", "sync", "connected"])),
    st.builds(leads, st.sampled_from([EARLIER, OTHER, HISTORY, NO_HISTORY])),
)
witnesses = st.builds(
    lambda primary, seen, unlinked, down, cut: Witness(
        primary=primary,
        epoch=1,
        replicas=seen,
        unlinked=frozenset(unlinked),
        down=frozenset(down),
        cut=frozenset(cut),
    ),
    st.sampled_from([P, P, R1]),
    st.dictionaries(nodes, offsets),
    st.sets(nodes),
    st.sets(nodes),
    st.sets(nodes),
)
pictures = st.builds(
    lambda have, known, said, own, closed: replace(
        picture(known=known),
        replication=replace(replication(), acknowledged=have),
        witnesses=said,
        answers=own,
        closed=frozenset(closed),
    ),
    st.dictionaries(nodes, offsets),
    st.sets(nodes),
    st.lists(witnesses, max_size=SENTINELS),
    st.dictionaries(nodes, answers),
    st.sets(nodes),
)


@given(pictures)
def test_every_server_has_it_or_a_reason(shown: Picture) -> None:
    """Acknowledged means, in every picture: a copy exists, and each server that could be
    promoted has one, or is down for a majority, or is syncing, or is the one before."""
    if not judge(shown).acknowledged:
        return
    having = copies(shown)
    assert having
    for node in servers(shown) - having:
        own = shown.answers.get(node)
        here = [one for one in shown.witnesses if one.primary == P]
        gone = [one for one in here if node in one.cut and node in shown.closed]
        down = len([one for one in here if node in one.down or one in gone]) >= 2
        ahead = [
            one
            for one in here
            if node in one.unlinked
            and any(
                one.replicas.get(copy, 0) > one.replicas.get(node, 10**9)
                for copy in having - one.down - one.cut
            )
        ]
        syncing = own is not None and own.role.follows == P and own.role.link == "sync"
        syncing = syncing and len(ahead) >= 2
        before = own is not None and own.role.is_primary and own.replication.history == EARLIER
        assert down or syncing or before
        assert own is None or not own.role.is_primary or before


@given(pictures, nodes, st.sampled_from([OTHER, HISTORY, NO_HISTORY]))
def test_a_second_primary_always_refutes(shown: Picture, node: Node, history: str) -> None:
    """Whatever else is said, a rival without the change means: not acknowledged."""
    rival = replace(
        shown,
        known=shown.known | {node},
        replication=replace(
            shown.replication,
            acknowledged={
                one: offset for one, offset in shown.replication.acknowledged.items() if one != node
            },
        ),
        answers={**shown.answers, node: leads(history)},
    )
    assert not judge(rival).acknowledged


@given(pictures, nodes)
def test_one_more_copy_never_hurts(shown: Picture, node: Node) -> None:
    """What was acknowledged stays so when one more replica confirms."""
    more = {**shown.replication.acknowledged, node: OFFSET + 1}
    richer = replace(shown, replication=replace(shown.replication, acknowledged=more))
    if judge(shown).acknowledged:
        assert judge(richer).acknowledged


@given(pictures)
def test_a_refusal_says_whom_it_waits_for(shown: Picture) -> None:
    """A reason in words, and the servers to ask; an acknowledgement waits for nobody."""
    found = judge(shown)
    assert found.reason
    assert not (found.acknowledged and (found.missing or found.superseded))
    assert found.missing <= servers(shown) - copies(shown)
