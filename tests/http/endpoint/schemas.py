"""Values that a JSON Schema of ours allows, or nearly: drawn from it, and judged by a library.

It knows the words that our document uses, and no others.
"""

from __future__ import annotations

import base64
from typing import Any, TypeAlias

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

Schema: TypeAlias = dict[str, Any]
UUIDS = st.uuids().map(str) | st.uuids().map(lambda one: one.hex.upper())
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
JUNK: st.SearchStrategy[Any] = st.one_of(
    *(
        st.none(),
        st.booleans(),
        TEXTS,
        st.integers(-(2**62), 2**63 - 1),
        st.lists(TEXTS, max_size=2),
    ),
    *(st.just({}), st.floats(allow_nan=False, allow_infinity=False), st.just("x" * 600)),
)


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
        return Draft202012Validator(schema | {"components": {"schemas": self._schemas}})

    def values(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Mostly what is allowed, with its bounds, and a word of junk now and then."""
        schema = self.resolved(schema)
        return st.integers(0, 19).flatmap(lambda dice: JUNK if not dice else self._right(schema))

    def _right(self, schema: Schema) -> st.SearchStrategy[Any]:
        if "anyOf" in schema:
            return st.one_of([self.values(one) for one in schema["anyOf"]])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kind = schema.get("type")
        if kind == "object" and "properties" in schema:
            wanted = set(schema.get("required", ()))
            given = {name: self.values(one) for name, one in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: one for name, one in given.items() if name in wanted},
                optional={name: one for name, one in given.items() if name not in wanted},
            )
        if kind == "array":
            most = min(4, schema.get("maxItems", 4))
            return st.lists(self.values(schema.get("items", {})), max_size=most)
        return _PLAIN[kind](schema) if kind in _PLAIN else JUNK

    def packed(self, schema: Schema, value: Any) -> Any:
        """The value as MessagePack carries it: bytes raw, where the schema has Base64."""
        schema = self.resolved(schema)
        for one in schema.get("anyOf", ()):
            if self.judge(one).is_valid(value):
                return self.packed(one, value)
        if schema.get("contentEncoding") == "base64" and isinstance(value, str):
            return base64.b64decode(value.encode(), validate=False)
        if isinstance(value, list):
            return [self.packed(schema.get("items", {}), one) for one in value]
        if isinstance(value, dict):
            known = schema.get("properties", {})
            return {name: self.packed(known.get(name, {}), one) for name, one in value.items()}
        return value


def _integers(schema: Schema) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -(2**62)), schema.get("maximum", 2**62)
    edges = [low, high, low - 1, min(high + 1, 2**64 - 1)]
    return st.sampled_from(edges) | st.integers(low, high)


def _numbers(schema: Schema) -> st.SearchStrategy[float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1e300))
    high = schema.get("maximum", 1e300)
    edges = [low, high, low - 1e-6, high * 1.0001, 5e-324]
    return st.sampled_from(edges) | st.floats(low, high)


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return (UUIDS if "{32}" in schema["pattern"] else st.just("00")) | TEXTS
    if schema.get("contentEncoding") == "base64":
        return st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode())
    least, most = schema.get("minLength", 0), schema.get("maxLength", 20)
    return TEXTS | st.sampled_from(["é" * most, "é" * (most + 1), "x" * max(0, least - 1)])


_PLAIN = {
    "integer": _integers,
    "number": _numbers,
    "string": _strings,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}
