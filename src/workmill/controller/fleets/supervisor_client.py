"""The processes of this machine as a fleet, through the socket of their supervisor.

Several controllers may run beside the supervisor and none of them owns a process: one that is
killed takes nothing with it. The supervisor remembers the highest token that it was shown, and
refuses the orders of a leader that was replaced.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from workmill.controller.fleet import Member
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.wire import codecs
from workmill.wire.fleet_orders import ANSWER_SECONDS, MAX_LINE_BYTES, Muster, Order


class SupervisedFleet:
    """See `controller.fleet.Fleet`: the nodes of one role. Every verb raises Unavailable when the
    supervisor does not answer; whether it did what it was told is seen with the next look."""

    def __init__(self, path: Path, role: str) -> None:
        self._path, self._role = path, role

    def list(self, token: int) -> Sequence[Member]:
        """See `Fleet`."""
        muster = self._say(Order(role=self._role, token=token))
        return [
            Member(
                name=one.name,
                host=one.host,
                pid=one.pid,
                age_seconds=one.age_seconds,
                stopping=one.stopping,
            )
            for one in muster.members
        ]

    def start(self, count: int, token: int) -> None:
        """See `Fleet`."""
        self._say(Order(role=self._role, token=token, act="start", count=count))

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        """See `Fleet`."""
        act: Literal["drain", "end"] = "drain" if drain else "end"
        self._say(Order(role=self._role, token=token, act=act, name=member.name))

    def _say(self, order: Order) -> Muster:
        try:
            with socket.socket(socket.AF_UNIX) as supervisor:
                supervisor.settimeout(ANSWER_SECONDS)
                supervisor.connect(str(self._path))
                supervisor.sendall(codecs.to_json(order) + b"\n")
                with supervisor.makefile("rb") as answer:
                    muster = codecs.from_json(answer.readline(MAX_LINE_BYTES), Muster)
        except (OSError, InvalidInput) as error:
            raise Unavailable(
                f"The supervisor at {self._path} did not answer ({error!r}). Nobody waits for the "
                f"order ({order.act}); the next turn gives it again. See that it runs."
            ) from error
        if muster.refused:
            raise Unavailable(f"The supervisor refused the order {order.act!r}: {muster.refused}")
        return muster
