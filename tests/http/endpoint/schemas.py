"""Values that a JSON Schema of ours allows, or nearly: drawn from it, and judged by a library.

It knows the words that our document uses, and no others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators  # type: ignore[import-untyped]

Schema: TypeAlias = dict[str, Any]
UUIDS = st.uuids().map(str) | st.uuids().map(lambda one: one.hex.upper())
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JUNK: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), st.booleans(), TEXTS, st.integers(-(2**62), 2**63 - 1), st.just({})),
    *(st.lists(TEXTS, max_size=2), st.floats(allow_nan=False, allow_infinity=False)),
    st.just("x" * 600),
)

WholeNumbers: Final = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _checker, value: type(value) is int
    ),
)
"""A whole number is written without a point (docs/api.md): `1.0`, an integer to draft 2020-12, is
not one here, wherever it stands, and is refused."""


class Drawing:
    """The schemas of one document."""

    def __init__(self, document: Schema) -> None:
        self._schemas: Schema = document["components"]["schemas"]

    def resolved(self, schema: Schema) -> Schema:
        """The schema itself, where it only points to one."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def judge(self, schema: Schema) -> Draft202012Validator:
        """Says whether a value is allowed."""
        return WholeNumbers(schema | {"components": {"schemas": self._schemas}})

    def values(self, schema: Schema, *, sound: bool) -> st.SearchStrategy[Any]:
        """What is allowed, with its bounds; unless `sound`, what lies beyond them now and then,
        and junk."""
        schema = self.resolved(schema)
        right = self._right(schema, sound)
        if sound:
            return right
        return st.integers(0, 9).flatmap(lambda dice: JUNK if not dice else right)

    def _right(self, schema: Schema, sound: bool) -> st.SearchStrategy[Any]:
        if "anyOf" in schema:
            return st.one_of([self.values(one, sound=sound) for one in schema["anyOf"]])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kind = schema.get("type", "")
        if kind == "object" and "properties" in schema:
            wanted = set(schema.get("required", ()))
            given = {
                name: self.values(one, sound=sound) for name, one in schema["properties"].items()
            }
            return st.fixed_dictionaries(
                {name: one for name, one in given.items() if name in wanted},
                optional={name: one for name, one in given.items() if name not in wanted},
            )
        if kind == "array":
            least, most = schema.get("minItems", 0), min(4, schema.get("maxItems", 4))
            each = self.values(schema.get("items", {}), sound=sound)
            return st.lists(each, min_size=least if sound else 0, max_size=most)
        return _PLAIN[kind](schema, sound) if kind in _PLAIN else JUNK

    def packed(self, schema: Schema, value: Any) -> Any:
        """The value as MessagePack carries it: bytes raw, where the schema has Base64."""
        schema = self.resolved(schema)
        for one in schema.get("anyOf", ()):
            if self.judge(one).is_valid(value):
                return self.packed(one, value)
        if schema.get("contentEncoding") == "base64" and isinstance(value, str):
            try:
                return base64.b64decode(value.encode(), validate=False)
            except binascii.Error:  # junk that the schema cannot tell from Base64
                return value.encode()
        if isinstance(value, list):
            return [self.packed(schema.get("items", {}), one) for one in value]
        if isinstance(value, dict):
            known = schema.get("properties", {})
            return {name: self.packed(known.get(name, {}), one) for name, one in value.items()}
        return value


def _integers(schema: Schema, sound: bool) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -(2**62)), schema.get("maximum", 2**62)
    beyond = [] if sound else [low - 1, min(high + 1, 2**64 - 1)]
    return st.sampled_from([low, high, *beyond]) | st.integers(low, high)


def _numbers(schema: Schema, sound: bool) -> st.SearchStrategy[float]:
    above = "exclusiveMinimum" in schema
    low = schema.get("exclusiveMinimum" if above else "minimum", -1e300)
    high = schema.get("maximum", 1e300)
    beyond = [] if sound else [low, low - 1e-6, high * 1.0001]
    return st.sampled_from([high, *beyond]) | st.floats(low, high, exclude_min=above)


def _strings(schema: Schema, sound: bool) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        right = UUIDS if "{32}" in schema["pattern"] else st.just("00")
        return right if sound else right | TEXTS
    if schema.get("contentEncoding") == "base64":
        return st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode())
    least, most = schema.get("minLength", 0), schema.get("maxLength", 20)
    beyond = [] if sound else ["é" * (most + 1), "x" * max(0, least - 1)]
    shorter = st.text(st.characters(codec="utf-8"), min_size=least, max_size=min(most, 20))
    return shorter | st.sampled_from(["é" * most, *beyond])


_PLAIN: Final[Mapping[str, Callable[[Schema, bool], st.SearchStrategy[Any]]]] = {
    "integer": _integers,
    "number": _numbers,
    "string": _strings,
    "boolean": lambda _schema, _sound: st.booleans(),
    "null": lambda _schema, _sound: st.none(),
}
