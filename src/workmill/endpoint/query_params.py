"""Query parameters and the path's argument: each is declared once, and its declaration both judges
what is sent and describes it in the OpenAPI document.

Unknown parameters are ignored, whatever they hold: nothing of them but the name is ever decoded. A
known one is right or refused (422). A whole number is one or more ASCII digits without a leading
zero: no plus, blank, point, exponent, underscore or other script's digits. Seconds are a JSON
number (RFC 8259). What is declared without `repeated` and stands twice is refused, for nobody could
say which one was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote_to_bytes

from workmill.domain import limits
from workmill.domain.errors import InvalidInput
from workmill.domain.ids import ID_PATTERN, parse_id
from workmill.domain.lifecycle import Status
from workmill.endpoint.settings import EndpointSettings
from workmill.workloads.registry import DEFAULT_WORKLOAD, workload_names

MAX_NUMBER_CHARACTERS: Final = 40
_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What every parameter declares."""

    name: str
    text: str
    required: bool = False
    where: Literal["query", "path"] = "query"

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:
        """What it takes, as JSON Schema (draft 2020-12)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Parameter):
    """A whole number from `low` to `high`; required when there is no default."""

    low: int
    high: int
    default: int | None = None
    capped: Callable[[EndpointSettings], int] | None = None
    """Where a service may be set to take less than `high`."""

    def read(self, query: bytes, settings: EndpointSettings | None = None) -> int:
        """Raises InvalidInput."""
        high = self.capped(settings) if self.capped and settings else self.high
        text = _plain_digits(query, self.name) or single(query, self.name)
        if text is None:
            if self.default is not None:
                return self.default
            raise _refusal(f"{self.name} is missing: give a whole number from {self.low} to {high}")
        if not _INTEGER.fullmatch(text) or len(text) > MAX_NUMBER_CHARACTERS:
            raise _refusal(
                f"{self.name}={text[:40]!r} is not a whole number from {self.low} to {high}"
            )
        number = int(text)
        if not self.low <= number <= high:
            raise _refusal(f"{self.name}={number} is not between {self.low} and {high}")
        return number

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:
        """See `Parameter`."""
        high = self.capped(settings) if self.capped else self.high
        described = {"type": "integer", "minimum": self.low, "maximum": high}
        return described | ({} if self.default is None else {"default": self.default})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds(Parameter):
    """Seconds from 0 to `high`; without `may_be_zero` above 0."""

    high: float
    default: float
    may_be_zero: bool = True

    def read(self, query: bytes) -> float:
        """Raises InvalidInput."""
        text = single(query, self.name)
        if text is None:
            return self.default
        if not _DECIMAL.fullmatch(text) or len(text) > MAX_NUMBER_CHARACTERS:
            raise self._refusal(text)
        number = float(text)
        if not 0 <= number <= self.high or not (self.may_be_zero or number):
            raise self._refusal(text)
        return number

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:  # noqa: ARG002 - as declared
        """See `Parameter`."""
        low = "minimum" if self.may_be_zero else "exclusiveMinimum"
        return {"type": "number", low: 0, "maximum": self.high, "default": self.default}

    def _refusal(self, text: str) -> InvalidInput:
        low = "0" if self.may_be_zero else "above 0"
        return _refusal(
            f"{self.name}={text[:40]!r} is not a number of seconds from {low} to {self.high:g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Parameter):
    """One of some words."""

    words: Callable[[], Sequence[str]]
    default: str | None = None

    def read(self, query: bytes) -> str | None:
        """The word, or the default. Raises InvalidInput."""
        text = single(query, self.name)
        if text is None:
            return self.default
        words = self.words()
        if text not in words:
            raise _refusal(f"{self.name}={text[:64]!r} is none of {', '.join(words)}")
        return text

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:  # noqa: ARG002 - as declared
        """See `Parameter`."""
        described: dict[str, Any] = {"type": "string", "enum": list(self.words())}
        return described | ({} if self.default is None else {"default": self.default})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobId(Parameter):
    """A job's UUID, from the path."""

    def read(self, argument: str) -> bytes:
        """Its 16 bytes. Raises InvalidInput."""
        return parse_id(argument)

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:  # noqa: ARG002 - as declared
        """See `Parameter`."""
        return {"type": "string", "format": "uuid", "pattern": ID_PATTERN}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobIds(Parameter):
    """Jobs' UUIDs, each under the parameter's name again."""

    most: int

    def read(self, query: bytes) -> list[bytes]:
        """Raises InvalidInput."""
        texts = values_of(query, self.name)
        if len(texts) > self.most:
            raise _refusal(f"{self.name} is given {len(texts)} times, and {self.most} is the most")
        return [parse_id(text) for text in texts]

    def schema(self, settings: EndpointSettings) -> dict[str, Any]:  # noqa: ARG002 - as declared
        """See `Parameter`."""
        one = {"type": "string", "format": "uuid", "pattern": ID_PATTERN}
        return {"type": "array", "items": one, "maxItems": self.most}


ITERATIONS: Final = Whole(
    name="iterations",
    text="how often to hash",
    required=True,
    low=1,
    high=limits.MAX_ITERATIONS,
    capped=lambda settings: settings.max_iterations,
)
TOP: Final = Whole(
    name="top",
    text="the most results wanted",
    required=True,
    low=1,
    high=limits.MAX_PULL_RESULTS,
)
PRIORITY: Final = Whole(
    name="priority",
    text="the greater goes first",
    low=limits.MIN_PRIORITY,
    high=limits.MAX_PRIORITY,
    default=0,
)
AFTER: Final = Whole(
    name="after",
    text="the `next_after` of the page before; from the newest on when left out",
    low=0,
    high=10**18,
    default=10**18,
)
LIMIT: Final = Whole(
    name="limit", text="jobs per page", low=1, high=limits.MAX_LIST_JOBS, default=100
)
WAIT: Final = Seconds(
    name="wait", text="seconds to wait for it", high=limits.MAX_WAIT_SECONDS, default=0.0
)
RECEIPT: Final = Seconds(
    name="receipt_seconds",
    text="how long the receipt holds",
    high=limits.MAX_RECEIPT_SECONDS,
    default=limits.RECEIPT_SECONDS,
    may_be_zero=False,
)
WORKLOAD: Final = Choice(
    name="workload", text="what to compute", words=workload_names, default=DEFAULT_WORKLOAD
)
STATUS: Final = Choice(
    name="status", text="only jobs of this status", words=lambda: [str(one) for one in Status]
)
JOB_ID: Final = JobId(name="id", text="the job's UUID", required=True, where="path")
WATCHED: Final = JobIds(name="id", text="a job to watch; may be repeated", most=100)


def values_of(query: bytes, name: str) -> list[str]:
    """All values of a parameter, percent-decoded. Raises InvalidInput when one is not UTF-8."""
    wanted = name.encode()
    found = []
    for piece in query.split(b"&"):
        key, _, value = piece.partition(b"=")
        if key == wanted or (b"%" in key and unquote_to_bytes(key) == wanted):
            found.append(value)
    try:
        return [unquote_to_bytes(one.replace(b"+", b" ")).decode() for one in found]
    except UnicodeDecodeError:
        raise _refusal(f"{name} is not UTF-8") from None


def single(query: bytes, name: str) -> str | None:
    """The one value of a parameter, None when it is missing. Raises InvalidInput on two."""
    if name.encode() not in query and b"%" not in query:
        return None
    values = values_of(query, name)
    if len(values) > 1:
        raise _refusal(f"{name} is given {len(values)} times")
    return values[0] if values else None


def _plain_digits(query: bytes, name: str) -> str | None:
    """The value when the query is just `name=digits`, as it nearly always is."""
    before, _, value = query.partition(b"=")
    if value.isdigit() and before == name.encode():
        return value.decode()
    return None


def _refusal(what: str) -> InvalidInput:
    return InvalidInput(f"{what}. Nothing was stored or changed. Mend the request and retry.")
