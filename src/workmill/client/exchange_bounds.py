"""How much may come back in one exchange; how long it may take is `domain.pace`. Heads move nothing
there: a flood of them ends at the deadline."""

from __future__ import annotations

from typing import Final

REPLY_BYTES: Final = 16 * 1024 * 1024
"""The most that a reply may have in memory, unless more was asked for: more than a thousand jobs or
ten thousand processes take."""
REFUSAL_BYTES: Final = 64 * 1024
"""The most that is read of a refusal; what follows is left."""
