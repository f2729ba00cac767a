"""Strict query parameters. Unknown ones are ignored; a known one is right or refused (422).

A number is one or more ASCII digits without a leading zero: no sign, blank, point, exponent
or other script's digits. A name that stands twice is refused, for nobody could say which
one was meant.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from workmill.domain.errors import InvalidInput

MAX_FIELDS = 100
MAX_DIGITS = 18
_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?", re.ASCII)


def parse_query(query: bytes) -> dict[str, list[str]]:
    """Every parameter with all its values, percent-decoded. Raises InvalidInput."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise _refusal("The query string cannot be read") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def single(query: bytes, name: str) -> str | None:
    """The one value of a parameter, None when it is missing. Raises InvalidInput on two."""
    if name.encode() not in query and b"%" not in query:
        return None
    values = parse_query(query).get(name, [])
    if len(values) > 1:
        raise _refusal(f"{name} is given {len(values)} times")
    return values[0] if values else None


def integer(query: bytes, name: str, low: int, high: int, default: int | None = None) -> int:
    """A strict whole number from `low` to `high`; required when there is no default."""
    text = _plain_digits(query, name) or single(query, name)
    if text is None:
        if default is not None:
            return default
        raise _refusal(f"{name} is missing: give a whole number from {low} to {high}")
    if not _INTEGER.fullmatch(text) or len(text) > MAX_DIGITS + 1:
        raise _refusal(f"{name}={text[:40]!r} is not a whole number from {low} to {high}")
    number = int(text)
    if not low <= number <= high:
        raise _refusal(f"{name}={number} is not between {low} and {high}")
    return number


def seconds(query: bytes, name: str, high: float, default: float) -> float:
    """A plain decimal number of seconds from 0 to `high`."""
    text = single(query, name)
    if text is None:
        return default
    if not _DECIMAL.fullmatch(text) or float(text) > high:
        raise _refusal(f"{name}={text[:40]!r} is not a number of seconds from 0 to {high:g}")
    return float(text)


def _plain_digits(query: bytes, name: str) -> str | None:
    """The value when the query is just `name=digits`, as it nearly always is."""
    before, _, value = query.partition(b"=")
    if value.isdigit() and before == name.encode():
        return value.decode()
    return None


def _refusal(what: str) -> InvalidInput:
    return InvalidInput(f"{what}. Nothing was stored or changed. Mend the request and retry.")
