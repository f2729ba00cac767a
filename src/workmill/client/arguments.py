"""What a caller gives, checked in one place and in our own words before anything is sent.

Everything here either returns the plain value that travels, or raises InvalidInput. What is
taken is generous where there is only one meaning: UUID objects as ids, whatever counts as a whole
number, whatever holds bytes. What has two meanings is refused: text as data, `True` as a number,
one id where a list of them is meant.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Iterable, Iterator
from operator import index
from pathlib import Path
from typing import Final, TypeVar

from workmill.domain.errors import InvalidInput
from workmill.domain.ids import id_text, parse_id
from workmill.domain.limits import MAX_COUNT, MAX_NAME_CHARACTERS

H = TypeVar("H")

MAX_KEY_CHARACTERS: Final = 4096
MAX_RECEIPT_CHARACTERS: Final = 4096
"""A receipt for a store of 64 parts has 2176."""
SHOWN_CHARACTERS: Final = 60


def whole(value: object, name: str, least: int = -MAX_COUNT, most: int = MAX_COUNT) -> int:
    """Any whole number but a truth value, from `least` to `most`."""
    number = None
    if not isinstance(value, bool):
        try:
            number = index(value)  # type: ignore[arg-type]
        except TypeError:
            number = None
    if number is None:
        raise InvalidInput(f"{name} is a whole number, not {kind(value)}. Nothing was sent.")
    if not least <= number <= most:
        bound = "2**63 - 1" if most == MAX_COUNT else most
        raise InvalidInput(f"{name} is a whole number from {least} to {bound}. Nothing was sent.")
    return number


def seconds(value: object, name: str, *, least: float = 0.0) -> float:
    """A number of seconds, infinity included; what is below `least` counts as that."""
    if isinstance(value, bool | str | bytes | bytearray) or not hasattr(value, "__float__"):
        raise InvalidInput(f"{name} is a number of seconds, not {kind(value)}. Nothing was sent.")
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise InvalidInput(f"{name} is no number of seconds that can be counted to.")
    return max(number, least)


def patience(timeout_seconds: object) -> float:
    """How long to wait for a result: for ever, for None; a time that is over counts as no time."""
    return math.inf if timeout_seconds is None else seconds(timeout_seconds, "timeout_seconds")


def seconds_given(value: object, name: str) -> float:
    """A number of seconds that is refused when it is negative."""
    number = seconds(value, name, least=-math.inf)
    if number < 0:
        raise InvalidInput(
            f"{name} is negative. Give a number of seconds from 0. Nothing was sent."
        )
    return number


def seconds_sent(value: object, name: str) -> float:
    """A number of seconds that travels: not infinite, too."""
    number = seconds_given(value, name)
    if math.isinf(number):
        raise InvalidInput(f"{name} is infinite. Give a number of seconds. Nothing was sent.")
    return number


def job_id(value: object) -> str:
    """A UUID, or the text of one, as canonical text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str):
        raise InvalidInput(
            f"A job's id is the text of a UUID or a UUID, not {kind(value)}. Nothing was sent."
        )
    return id_text(parse_id(value))


def several(values: object, name: str) -> Iterable[object]:
    """Something that holds items; text, bytes and a UUID are one item, not many."""
    if isinstance(values, str | bytes | bytearray | memoryview | os.PathLike | uuid.UUID):
        raise InvalidInput(
            f"{name} is a list, and {kind(values)} is one item. Put it into a list: [...]. "
            "Nothing was sent."
        )
    if not isinstance(values, Iterable):
        raise InvalidInput(f"{name} is a list, not {kind(values)}. Nothing was sent.")
    return values


def handles(values: object, kind_of_handle: type[H]) -> Iterator[H]:
    """Handles of this kind of client, one after the other."""
    return (_handle(value, kind_of_handle) for value in several(values, "handles"))


def _handle(value: object, kind_of_handle: type[H]) -> H:
    if not isinstance(value, kind_of_handle):
        raise InvalidInput(
            f"handles holds what submit gave, each a {kind_of_handle.__name__}, and this is "
            f"{kind(value)}. For the id of a job, use result(id)."
        )
    return value


def text(value: object, name: str) -> str:
    """Text that can travel."""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is text, not {kind(value)}. Nothing was sent.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{name} holds what is no character. Nothing was sent.") from None
    return value


def name(value: object, what: str) -> str:
    """A word that names something: a workload, a status. It is never empty."""
    named = text(value, what)
    if not 0 < len(named) <= MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f"{what} is a name of 1 to {MAX_NAME_CHARACTERS} characters, and this has "
            f"{len(named)}. Nothing was sent."
        )
    return named


def receipt(value: object) -> str:
    """The receipt of a pull, as it came."""
    told = text(value, "The receipt")
    if len(told) > MAX_RECEIPT_CHARACTERS:
        raise InvalidInput("This is longer than any receipt. Nothing was sent.")
    return told


def path(value: object) -> Path:
    """The name of a file, as text, a Path or whatever stands for one."""
    if isinstance(value, str | os.PathLike):
        named = os.fsdecode(os.fspath(value))
        if named and "\0" not in named and _is_encodable(named):
            return value if isinstance(value, Path) else Path(named)
    raise InvalidInput(f"A file is named by a path, not by {shown(value)}. Nothing was done.")


def _is_encodable(name: str) -> bool:
    """Whether a file can have this name: half of a pair of surrogates is no character."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def key(value: object) -> str | None:
    """The service's shared secret, fit for a header. It is never part of a message."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"A key is text, not {kind(value)}.")
    if not value:
        raise InvalidInput("The key is empty. Give the service's key, or None where it has none.")
    plain = value.isascii() and value.isprintable() and value == value.strip()
    if not plain or len(value) > MAX_KEY_CHARACTERS:
        raise InvalidInput(
            "The key has a line's end or a blank around it, or holds a character that no key has, "
            f"or is longer than {MAX_KEY_CHARACTERS} characters. Give it as it stands in the key "
            "file, without what is around it."
        )
    return value


def told(error: Exception) -> str:
    """What the caller's own code raised, for a sentence."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  that code is the caller's, too
        words = ""
    return f"{kind(error)}: {words}".rstrip(": ")


def shown_id(value: object) -> str:
    """What is no id, as it can be shown in the place of one."""
    try:
        words = str(value)
    except Exception:  # noqa: BLE001
        words = kind(value)
    return words[:64].encode(errors="replace").decode()


def kind(value: object) -> str:
    """What a value is, for a sentence: `None`, or the name of its type."""
    return "None" if value is None else type(value).__name__


def shown(value: object) -> str:
    """A value that was refused, short and on one line. Not for secrets."""
    return repr(value)[:SHOWN_CHARACTERS] if isinstance(value, str | bytes) else kind(value)
