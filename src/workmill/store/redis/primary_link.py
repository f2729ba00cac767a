"""The link to one logical Redis: calls go out, and `confirm` says when they are safe.

Theory. All calls of a group go over one connection, to a server that said it is the primary.
What `confirm` then sends on that same connection, [ROLE, WAIT, INFO] in one go, speaks of exactly
those calls and everything before them. While all replicas answer that is the whole of it. Only
when one does not are Sentinels and the absent servers asked, again and again until the time for
it is over; the judgement itself is made in `acknowledgement`.

What may be sent twice. A call that was refused before it ran, or never sent, and before which
nothing else of its group was sent, is sent again: to the same server after a pause, or to the
primary that is found next (`error_remedies` says which). Everything else is left to the caller, who
is told StoreUnavailable and repeats the whole under the same ids. No other place retries.

Within an outage (`reconnect_backoff`) nobody waits: one attempt is made at a time, when it is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from workmill.domain.errors import StoreDamaged, StoreFull, StoreUnavailable
from workmill.store.redis.acknowledgement import Judgement, Level, Picture, judge
from workmill.store.redis.addresses import Address
from workmill.store.redis.connection import ANSWER_SECONDS, Connection, Refused, Silent
from workmill.store.redis.error_remedies import OLDER, Remedy, explained, remedy_for, said_of
from workmill.store.redis.inspection import LOOK_SECONDS, Inspection
from workmill.store.redis.link_port import Restored
from workmill.store.redis.primary_discovery import RETURN_SECONDS, Primary, Servers
from workmill.store.redis.reconnect_backoff import FIRST_PAUSE_SECONDS, RETRY_AFTER_SECONDS, Outage
from workmill.store.redis.replication_info import read_replication, read_role
from workmill.telemetry import emit_rarely

PATIENCE_SECONDS: Final = 2.0
"""How long a call may look for a primary that takes it, when no outage is known yet."""
WAIT_SECONDS: Final = 1.0
"""How long one WAIT waits for the replicas."""
CONFIRM_SECONDS: Final = 3.0
"""How long a group may wait to be confirmed before its outcome counts as unknown."""
FULL_RETRY_SECONDS: Final = 10.0
UNKNOWN: Final = "The outcome is unknown."


class _Later(Exception):
    """Nothing was changed; the same call may be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the link waits for what."""

    patience_seconds: float = PATIENCE_SECONDS
    wait_seconds: float = WAIT_SECONDS
    confirm_seconds: float = CONFIRM_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    """How long the primary may be silent; more than a WAIT takes."""
    look_seconds: float = LOOK_SECONDS
    """How often its settings are looked at."""


class RedisLink:
    """`workmill.store.redis.link_port.Link`; every replica that lives confirms, if `level` asks
    that."""

    def __init__(
        self,
        address: Address,
        key: str,
        *,
        level: Level | None = None,
        prepare: Callable[[Connection], None] = lambda _: None,
        verdict: Callable[[Picture], Judgement] = judge,
        pace: Pace | None = None,
    ) -> None:
        """`prepare` loads the functions into a server that is new to this link. Without `level`
        the safest that the address can keep. Nothing is connected before the first call."""
        watched = address.name is not None
        self.level = level or (Level.REPLICATED if watched else Level.DISK)
        self._key = key
        self._prepare = prepare
        self._judge = verdict
        self._pace = pace or Pace()
        self._servers = Servers(address, self.level, self._pace.answer_seconds)
        self._where, self._user = str(address), address.access.user or "default"
        self._outage = Outage(self._where)
        self._inspection = Inspection(
            self.level, self._where, self._pace.look_seconds, kept=address.kept
        )
        self._primary: Primary | None = None
        self._replicas = 0
        self._unconfirmed: list[str] = []
        """The functions that were called since the last `confirm`."""
        self._history: str | None = None

    @property
    def history(self) -> str | None:
        """See `Link.history`."""
        return self._history

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `Link.warnings`."""
        return self._inspection.warnings

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        """See `Link.call`."""
        pause = FIRST_PAUSE_SECONDS
        deadline = time.monotonic() + (0 if self._outage.lasting else self._pace.patience_seconds)
        while True:
            try:
                reply = self._call_once(function, payload, writes=writes)
            except _Later as later:
                if time.monotonic() + pause > deadline:
                    kept = UNKNOWN if self._unconfirmed else "Nothing was changed by it."
                    raise self._unavailable(str(later), kept, function) from later
                time.sleep(pause)
                pause *= 2
            else:
                self._unconfirmed.append(function)
                return reply

    def _call_once(self, function: str, payload: bytes, *, writes: bool) -> Any:
        """Raises _Later, or StoreUnavailable when trying again is not for this place."""
        connection = self._connected()
        try:
            return connection.ask("FCALL", function, 1, self._key, payload)
        except Silent as silent:
            alone = self._drop()
            if alone and not (silent.sent and writes):
                raise _Later(str(silent)) from silent
            raise self._unavailable(str(silent)) from silent
        except Refused as refused:
            raise self._after(refused, connection, function) from refused

    def _after(self, refused: Refused, connection: Connection, function: str) -> Exception:
        """What to raise for a call that the server refused."""
        remedy = remedy_for(refused.code, str(refused))
        if remedy is Remedy.FULL:
            return StoreFull(
                "The store's memory is full. Nothing new was stored; what is there is kept. "
                "Retry when results have been fetched.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )
        if remedy is Remedy.DAMAGED:
            self._drop()
            return _damaged(refused, self._where)
        if remedy is Remedy.RESTORED:
            return Restored(int(_told(refused)), RETRY_AFTER_SECONDS)
        if remedy is Remedy.CONTRADICTED:
            emit_rarely(
                "store.function_failed", level="error", store=self._where, detail=str(refused)
            )
            return StoreDamaged(
                f"Keys of {self._where} are missing, or are not what they were: somebody has "
                "changed them. What this call did is not known. The log has more; restore a backup."
            )
        if remedy is Remedy.FAIL:
            said = said_of(str(refused), self._user, self._key)
            return self._unavailable(said, function=function)
        if remedy is Remedy.REDISCOVER:
            if not self._drop():
                return self._unavailable(self._said(refused))
        elif remedy is Remedy.PREPARE:
            self._guarded(lambda: self._prepare(connection))
        return _Later(self._said(refused))

    def confirm(self) -> None:
        """See `Link.confirm`."""
        if self._unconfirmed and self._primary is not None:
            if self.level is Level.REPLICATED:
                self._confirm_replicated(self._primary)
            self._history = self._primary.history
            self._outage.succeeded(self._unconfirmed)
        self._unconfirmed = []

    def _confirm_replicated(self, primary: Primary) -> None:
        deadline = time.monotonic() + self._pace.confirm_seconds
        picture = self._ask(primary, None)
        while not (judgement := self._judged(picture)).acknowledged:
            if judgement.superseded or time.monotonic() > deadline:
                if judgement.superseded:
                    self._drop()
                self._unconfirmed = []
                raise self._unavailable(judgement.reason)
            time.sleep(FIRST_PAUSE_SECONDS)
            picture = self._ask(primary, picture)

    def _judged(self, picture: Picture) -> Judgement:
        """With what others say, where what the primary says is not enough."""
        judgement = self._judge(picture)
        if judgement.acknowledged or judgement.superseded or not judgement.missing:
            return judgement
        return self._judge(self._servers.evidence(picture, judgement.missing))

    def _ask(self, primary: Primary, before: Picture | None) -> Picture:
        """[ROLE, WAIT, INFO]; once there is a ROLE it is kept, for it marks where the calls end."""
        wait_ms = round(self._pace.wait_seconds * 1000)
        asked = [("ROLE",), ("WAIT", max(1, self._replicas), wait_ms), ("INFO", "replication")]
        try:
            replies = primary.connection.ask_all(asked)
            refused = next((reply for reply in replies if isinstance(reply, Refused)), None)
            if refused is not None:
                raise refused
            role, replication = read_role(replies[0]), read_replication(replies[2])
        except (Silent, Refused) as error:
            self._drop()
            raise self._unavailable(self._said(error)) from error
        self._replicas = len(replication.acknowledged)
        if before is not None:
            return replace(before, replication=replication)
        return Picture(
            primary=primary.connection.node,
            history=primary.history,
            role=role,
            replication=replication,
            known=self._servers.known,
        )

    def _connected(self) -> Connection:
        """The connection to the primary, made anew where that is needed and may be."""
        if self._primary is not None:
            if self._unconfirmed:
                return self._primary.connection
            if self._primary.connection.is_alive():
                return self._inspected(self._primary.connection)
            self._drop()
        rest = self._outage.rest_seconds
        if rest:
            raise StoreUnavailable(
                _waiting(self._outage.reason), retry_after_seconds=max(rest, RETRY_AFTER_SECONDS)
            )
        try:
            self._primary = primary = self._servers.find_primary(
                self._inspection.note, RETURN_SECONDS if self._outage.lasting else None
            )
        except (Silent, Refused) as error:
            raise _Later(self._said(error)) from error
        except StoreUnavailable as error:
            self._outage.failed(error.detail)
            raise
        self._replicas = primary.replicas
        self._guarded(lambda: self._inspection.judge(primary.shown))
        self._guarded(lambda: self._prepare(primary.connection))
        return primary.connection

    def _inspected(self, connection: Connection) -> Connection:
        """The primary, if it still keeps what it acknowledges. Between two looks this costs the
        reading of a clock."""
        if self._inspection.due:
            self._guarded(lambda: self._inspection.ask(connection))
        self._inspection.check()
        return connection

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (Silent, Refused) as error:
            self._drop()
            raise _Later(self._said(error)) from error

    def _said(self, error: Silent | Refused) -> str:
        if isinstance(error, Refused):
            return explained(str(error), self._user, self._key)
        return str(error)

    def _drop(self) -> bool:
        """Leave this primary; whether nothing had been sent to it that waits to be confirmed."""
        alone = not self._unconfirmed
        if self._primary is not None:
            self._primary.connection.close()
        self._primary, self._unconfirmed = None, []
        return alone

    def _unavailable(
        self, reason: str, kept: str = UNKNOWN, function: str = ""
    ) -> StoreUnavailable:
        self._outage.failed(reason, function)
        return StoreUnavailable(
            f"The store did not confirm the change: {reason}. {kept} What was acknowledged is "
            "kept. Try again with the same ids, which is harmless.",
            retry_after_seconds=max(self._outage.rest_seconds, RETRY_AFTER_SECONDS),
        )

    def close(self) -> None:
        """See `Link.close`."""
        self._drop()
        self._servers.close()


def _told(refused: Refused) -> str:
    """What a function of ours says after its word."""
    return str(refused).removeprefix(refused.code).partition(" script: wm")[0].strip(" ,.")


def _damaged(refused: Refused, where: str) -> StoreDamaged:
    """What a person reads when the store is not the one that was opened, or not as it was."""
    text = _told(refused)
    behind_ms = int(text) if refused.code == OLDER else None
    if behind_ms is not None:
        text = f"it is an older copy of itself, by {behind_ms / 1000:,.1f} s"
    return StoreDamaged(
        f"{where} is not the store that was opened, or not as it was: {text}. What was "
        "acknowledged is not there, and nothing is served from what is. Bring the right data "
        "back, or start the whole service again to go on with what is there (docs/redis.md).",
        behind_ms=behind_ms,
    )


def _waiting(reason: str) -> str:
    """What a caller is told who came during an outage; a reason in sentences says all by itself."""
    if reason.endswith("."):
        return reason
    return f"The store cannot be used now: {reason}. Nothing was sent. Try again."
