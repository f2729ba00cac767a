"""Objects and maps that say one thing twice: decoders take the last, the first may have been meant.

RFC 8259, section 4, leaves open what a name that stands twice means. As with a parameter, it is
refused where it is one that is known; what is not known is ignored, whatever it holds. In an item
of a MessagePack batch, which has no more than 256 names, none may stand twice.
"""

from __future__ import annotations

import json
from functools import cache
from operator import attrgetter, is_not
from typing import Annotated, Any, Final

import msgspec

from workmill.domain.errors import InvalidInput


class Names:
    """The names of one kind of message."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        fields = kind.__struct_fields__
        self._names = kind.__struct_encode_fields__
        self._values = attrgetter(*fields)
        self._single = len(fields) == 1
        missing = [msgspec.NODEFAULT] * (len(fields) - len(kind.__struct_defaults__))
        self._defaults = (*missing, *kind.__struct_defaults__)

    def check(self, data: bytes, message: msgspec.Struct) -> None:
        """`data` was decoded to `message`. Raises InvalidInput when a name of it is there twice."""
        values = self._values(message)
        given = sum(map(is_not, (values,) if self._single else values, self._defaults))
        if data.count(b":") == given:
            return  # nearly always: each is there, and there is no colon for another one
        said = _names(data)
        for name in self._names:
            if said.count(name) > 1:
                raise InvalidInput(
                    f"The body cannot be read: `{name}` stands twice. Nothing was changed. Mend it "
                    "and retry."
                )


def refuse_pairs_twice(data: bytes | memoryview) -> None:
    """Of a MessagePack list of maps. Raises InvalidInput when a map has more pairs than names."""
    for item in _RAW_ITEMS.decode(data):
        head = bytes(memoryview(item)[:5])
        width = {0xDE: 2, 0xDF: 4}.get(head[0], 0)
        pairs = int.from_bytes(head[1 : 1 + width], "big") if width else head[0] & 0x0F
        if pairs != len(_PAIRS.decode(item)):
            raise InvalidInput(
                "The body cannot be read: a field of an item stands twice. Nothing was changed. "
                "Mend it and retry."
            )


_RAW_ITEMS: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_PAIRS: Final = msgspec.msgpack.Decoder(
    Annotated[dict[str, msgspec.Raw], msgspec.Meta(max_length=256)]
)
"""More pairs than any message has; a map of them costs many times what it has in bytes."""


@cache
def names_of(kind: type[msgspec.Struct]) -> Names:
    """Made once."""
    return Names(kind)


def _names(data: bytes) -> list[str]:
    """The names of the outermost object, in order and as often as they stand there."""
    pairs: list[tuple[str, Any]] = []

    def outer(found: list[tuple[str, Any]]) -> None:
        pairs[:] = found  # the outermost one ends last

    json.loads(
        data.decode(errors="replace"),
        object_pairs_hook=outer,
        parse_int=str,
        parse_float=str,
        strict=False,
    )
    return [name for name, _ in pairs]
