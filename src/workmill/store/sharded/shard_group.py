"""One group over all parts at once: every part does its share at the same time as the others.

Theory. A group opens in a part when the part is first needed, and all are ended together, so the
round trips of the parts, and their fsyncs, pass side by side. A part that fails takes with it what
it has answered in this group, and nothing else: at the end StorePartlyUnavailable says which places
of which answers are lost. Whoever does not look closer takes it for what it also is: an unknown
outcome, to be repeated under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from workmill.domain.errors import StoreFull, StorePartlyUnavailable, StoreUnavailable
from workmill.store.sharded.shard import Opened, Part

T = TypeVar("T")
Owners = Sequence[tuple[int, ...]]
"""For each answer the parts that it relies on."""


class Group:
    """The group that is open now, or none."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._open = False
        self._answers: list[tuple[list[Any], Owners, dict[int, StoreUnavailable]]] = []
        self._full: dict[int, StoreUnavailable] = {}
        """Parts without room for what this verb asked of them; all else that they did stands."""

    @contextmanager
    def run(self) -> Iterator[None]:
        """See `Store.group`."""
        if self._open:
            raise RuntimeError("groups do not nest")
        self._open, self._answers, self._full = True, [], {}
        for part in self._parts:
            part.new_group()
        try:
            yield
        except BaseException as error:
            self._give_up(error)
            raise
        else:
            self._leave()
            self._say_what_is_lost()
        finally:
            self._open = False

    def _leave(self) -> None:
        leaving = {
            part.number: partial(part.leave, None)
            for part in self._parts
            if part.entered and part.failure is None
        }
        for error in self._side_by_side(leaving, {}):
            raise error

    def _give_up(self, error: BaseException) -> None:
        """What a part has written is not known to be there: then the outcome is unknown."""
        entered = [part for part in self._parts if part.entered and part.failure is None]
        raised: list[BaseException | None] = [part.failure for part in self._parts]
        raised += [part.aside(partial(part.leave, error)).exception() for part in entered]
        for one in raised:
            if isinstance(one, StoreUnavailable):
                raise one from error

    def _say_what_is_lost(self) -> None:
        failures = {part.number: part.failure for part in self._parts if part.failure is not None}
        lost = []
        for answers, owners, full in self._answers:
            without = full | failures
            places = {
                place: without[number]
                for place, numbers in enumerate(owners)
                for number in numbers
                if number in without
            }
            if places:
                lost.append((answers, places))
        if lost:
            why = next(iter(lost[0][1].values()))
            seconds = why.retry_after_seconds
            raise StorePartlyUnavailable(why.detail, retry_after_seconds=seconds, lost=lost)

    def has(self, numbers: Iterable[int]) -> bool:
        """Whether all these parts can be relied on so far."""
        return all(self._parts[n].failure is None and n not in self._full for n in numbers)

    @property
    def missing(self) -> tuple[int, ...]:
        """The parts that cannot be relied on."""
        return tuple(part.number for part in self._parts if part.failure is not None)

    def answered(self, answers: list[T], owners: Owners) -> list[T]:
        """Note on which parts each of these answers of a verb relies."""
        self._answers.append((answers, owners, self._full))
        self._full = {}
        return answers

    def together(self, acts: Mapping[int, Callable[[Opened], T]]) -> dict[int, T]:
        """Do all this at once, each in its part. Parts that fail are missing in the answer."""
        if not self._open:
            raise RuntimeError("every verb runs inside a group()")
        wanted = {
            number: partial(self._parts[number].do, act)
            for number, act in acts.items()
            if self._parts[number].failure is None
        }
        answers: dict[int, T] = {}
        for error in self._side_by_side(wanted, answers):
            raise error
        return answers

    def everywhere(self, act: Callable[[Opened], T]) -> dict[int, T]:
        """The same in every part."""
        return self.together({part.number: act for part in self._parts})

    def somewhere(self, act: Callable[[Opened], T]) -> dict[int, T]:
        """The same in every part; raises StoreUnavailable when none has answered."""
        answers = self.everywhere(act)
        if not answers:
            raise next(part.failure for part in self._parts if part.failure is not None)
        return answers

    def _side_by_side(
        self, acts: Mapping[int, Callable[[], T]], answers: dict[int, T]
    ) -> Iterable[BaseException]:
        """Do all of it, the last one here and the others in their threads; what was raised but by
        parts that are unavailable."""
        if not acts:
            return ()
        *others, last = acts
        begun = {number: self._parts[number].aside(acts[number]) for number in others}
        begun[last] = here = Future[T]()
        try:
            here.set_result(acts[last]())
        except Exception as failure:  # noqa: BLE001 - looked at with those of the others
            here.set_exception(failure)
        wait(begun.values())
        raised: list[BaseException] = []
        for number, future in begun.items():
            error = future.exception()
            if isinstance(error, StoreFull):
                self._full[number] = error
            elif isinstance(error, StoreUnavailable):
                self._parts[number].failed(error)
            elif error is not None:
                raised.append(error)
            else:
                answers[number] = future.result()
        return raised
