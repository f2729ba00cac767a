"""Who is ended first when memory runs out: whoever costs least.

The kernel ends the largest process of the container (or the machine), and that may be a
supervisor, with which everything ends. So what computes goes first: it holds nothing that is not
held elsewhere, and is replaced at once. Then goes whatever is supervised, and who supervises goes
last. A process may always raise its own place and that of its children; nothing lowers it here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

SUPERVISED: Final = 100
COMPUTES: Final = 200
"""Thousandths of the memory that there is: so much larger does the process look to the kernel."""
_MOST: Final = 1000


def end_sooner(points: int, pid: int | None = None) -> None:
    """Raise this process's place by so much, or that of a child, where that is allowed."""
    place = Path(f"/proc/{os.getpid() if pid is None else pid}/oom_score_adj")
    with suppress(OSError, ValueError):
        place.write_text(str(min(_MOST, int(place.read_text()) + points)))
