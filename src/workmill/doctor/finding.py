"""What one look at the machine brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Verdict = Literal["good", "note", "mend"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing looked at. `mend`: the service cannot keep its promises like this; `note`: it
    can, and something could be better; `advice` says what to do about it."""

    name: str
    verdict: Verdict
    said: str
    advice: str | None = None
    figures: Mapping[str, float | str] = {}
    """The same for scripts; names carry their units."""
