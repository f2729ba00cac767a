"""HAProxy's slots as values: what is read from its answers, and which commands follow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workmill.controller.balancer import Place
from workmill.controller.balancers.haproxy_slots import (
    read_slots,
    refusal,
    to_add,
    to_drain,
    to_remove,
)
from workmill.domain.errors import InvalidInput, Unavailable

ANSWER = """# pxname,svname,qcur,scur,status,type,req_tot,addr
workmill,endpoint1,0,2,UP,2,7,10.0.0.1:5000
workmill,endpoint2,0,0,MAINT,2,0,127.0.0.1:1
workmill,endpoint3,1,1,DRAIN,2,3,[::1]:5001
workmill,endpoint4,0,1,MAINT,2,3,10.0.0.4:5000
workmill,endpoint5,0,0,DOWN 1/2,2,3,10.0.0.5:5000

"""
SLOTS = read_slots(ANSWER)
HERE, V6, NEW = Place("10.0.0.1", 5000), Place("::1", 5001), Place("10.0.0.9", 5000)
CONFIG = Path(__file__).parents[3] / "deploy" / "haproxy" / "haproxy.cfg"


def test_an_answer_is_read() -> None:
    """Who is served, drains or is out, what is under way, and which slots are free."""
    assert [slot.member.standing for slot in SLOTS] == ["serving", "out", "draining", "out", "out"]
    assert [slot.under_way for slot in SLOTS] == [2, 0, 2, 1, 0]
    assert [slot.free for slot in SLOTS] == [False, True, False, False, False]
    assert SLOTS[2].place == V6


def test_a_new_endpoint_gets_a_free_slot_and_waits_for_its_checks() -> None:
    """The address first; ready and down in one breath, so that no request goes there unseen."""
    assert to_add(SLOTS, NEW) == [
        "set server workmill/endpoint2 addr 10.0.0.9 port 5000",
        "set server workmill/endpoint2 state ready; set server workmill/endpoint2 health down",
    ]


def test_a_known_endpoint_is_taken_back_in_its_own_slot() -> None:
    """Also written another way."""
    taken_back = ["set server workmill/endpoint3 state ready"]
    assert to_add(SLOTS, Place("0:0:0:0:0:0:0:1", 5001)) == taken_back


def test_leaving_is_two_steps() -> None:
    """Drained first; removed with those who still wait."""
    assert to_drain(SLOTS, HERE) == ["set server workmill/endpoint1 state drain"]
    assert to_remove(SLOTS, HERE) == [
        "set server workmill/endpoint1 state maint",
        "shutdown sessions server workmill/endpoint1",
    ]
    assert to_drain(SLOTS, NEW) == to_remove(SLOTS, NEW) == []


def test_a_full_balancer_refuses() -> None:
    """When no slot is free, nothing is changed and the person hears what to do."""
    with pytest.raises(Unavailable, match="raise the number"):
        to_add([slot for slot in SLOTS if not slot.free], NEW)


@pytest.mark.parametrize("host", ["localhost", "", "10.0.0.1 port 1; shutdown frontend public"])
def test_only_addresses_get_into_a_command(host: str) -> None:
    """Whoever names an endpoint cannot command the balancer."""
    for commands in (to_add, to_drain, to_remove):
        with pytest.raises(InvalidInput, match="no IP address"):
            commands(SLOTS, Place(host, 5000))


@pytest.mark.parametrize("answer", ["", "Unknown command", "# pxname,svname\nworkmill,endpoint1"])
def test_another_answer_is_refused(answer: str) -> None:
    """A balancer without this backend is not taken for an empty one."""
    with pytest.raises(Unavailable, match="did not show its backend"):
        read_slots(answer)


def test_answers_to_changes_are_told_apart() -> None:
    """Silence and a change of address are good, anything else is a refusal."""
    moved = "no need to change the addr, port changed from '1' to '2' by 'stats socket command'"
    assert refusal("\n\n") is refusal(moved) is None
    assert refusal("No such server.\n") == "No such server."


def test_a_silent_endpoint_is_out_within_five_seconds_by_the_shipped_numbers() -> None:
    """It falls silent just after a good check: the next one begins after `inter` and is given
    up after the time-out, and each further one comes `fastinter` later."""
    text = CONFIG.read_text()

    def seconds(word: str) -> float:
        number, unit = re.findall(rf"{word} (\d+)(ms|s)\b", text)[0]
        return float(number) / {"ms": 1000, "s": 1}[unit]

    fall = int(re.findall(r" fall (\d+)", text)[0])
    checks = fall * seconds("timeout check") + (fall - 1) * seconds("fastinter")
    assert seconds(" inter") + checks <= 5
