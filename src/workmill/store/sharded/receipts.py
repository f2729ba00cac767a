"""One receipt for results of many parts: the number of each part and the receipt that it gave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_PART_BYTES: Final = 16
_ENTRY_BYTES: Final = 1 + _PART_BYTES


def joined(receipts: Iterable[tuple[int, bytes]]) -> bytes:
    """One receipt that names all of them."""
    return b"".join(bytes([number]) + receipt for number, receipt in receipts)


def parted(receipt: bytes) -> dict[int, bytes]:
    """The receipt of each part; none for what was never given out."""
    if len(receipt) % _ENTRY_BYTES:
        return {}
    starts = range(0, len(receipt), _ENTRY_BYTES)
    return {receipt[at]: receipt[at + 1 : at + _ENTRY_BYTES] for at in starts}
