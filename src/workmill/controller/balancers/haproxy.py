"""HAProxy through its runtime socket: ask for the slots, decide (`haproxy_slots`), say the
commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from workmill.controller.balancer import Member, Place
from workmill.controller.balancers import haproxy_slots
from workmill.domain.errors import Unavailable

ANSWER_SECONDS: Final = 5.0


class HAProxy:
    """One running HAProxy with `deploy/haproxy/haproxy.cfg`, its admin socket at `path`.

    One change is made at a time, so that two endpoints are never given the same slot.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()

    async def members(self) -> list[Member]:
        """See `Balancer`."""
        found = haproxy_slots.read_slots(await self._say(haproxy_slots.LOOK))
        return [slot.member for slot in found if not slot.vacated]

    async def add(self, place: Place) -> None:
        """See `Balancer`."""
        await self._change(haproxy_slots.to_add, place)

    async def drain(self, place: Place) -> None:
        """See `Balancer`."""
        await self._change(haproxy_slots.to_drain, place)

    async def remove(self, place: Place) -> None:
        """See `Balancer`."""
        await self._change(haproxy_slots.to_remove, place)

    async def _change(
        self, commands: Callable[[Sequence[haproxy_slots.Slot], Place], list[str]], place: Place
    ) -> None:
        async with self._turn:
            found = haproxy_slots.read_slots(await self._say(haproxy_slots.LOOK))
            for command in commands(found, place):
                refused = haproxy_slots.refusal(await self._say(command))
                if refused is not None:
                    raise Unavailable(
                        f"The balancer refused {command!r}: {refused}. What was said before that "
                        "holds; the same call may be repeated."
                    )

    async def _say(self, command: str) -> str:
        """One command over a connection of its own, which HAProxy closes after its answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(command.encode() + b"\n")
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise Unavailable(
                f"The balancer at {self._path} did not answer ({error!r}). Whether {command!r} was "
                "carried out is not known; it may be repeated. See that haproxy runs."
            ) from error
