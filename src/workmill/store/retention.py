"""How long and how much a store keeps; the same words for every store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from workmill.domain import limits

KNOWN_OVERHEAD_BYTES: Final = 96
"""Key, state and this much for its entries make up the bytes of one piece of known work."""

TOKEN_STEP: Final = 1_000_000
"""By how much a restore steps over the last token: the store that took the backup may be gone,
with the tokens it issued since. No job is leased this often between two backups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long and how much one store keeps; of a store of several parts, each of them."""

    result_retention_seconds: float = limits.RESULT_RETENTION_SECONDS
    delivered_retention_seconds: float = limits.DELIVERED_RETENTION_SECONDS
    known_retention_seconds: float = limits.KNOWN_RETENTION_SECONDS
    max_known_bytes: int = limits.MAX_KNOWN_BYTES
