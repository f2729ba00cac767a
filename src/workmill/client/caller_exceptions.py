"""Which exceptions in the middle of a call are the caller's own, and nothing that a network does.

Theory. A time limit is often a signal: its handler raises, wherever the program stands, and that is
mostly in a call of ours. What it raises is an `Exception` like any other, often a TimeoutError,
which is what a silent network raises, too. Taken for that, the same would be asked again instead,
and the caller's time limit would be gone. So what a handler raised is known by the handler's own
frame, also under the name that a library on the way gave it. What another thread raises here
(`PyThreadState_SetAsyncExc`) has no frame, but a class that no library under us knows.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from functools import partial
from traceback import walk_tb
from types import CodeType
from typing import Final

_LIBRARIES: Final = sys.stdlib_module_names | {
    *("workmill", "httpx", "httpcore", "h11", "anyio", "sniffio", "idna", "certifi", "msgspec"),
    *("uvloop", "gevent"),  # in the place of asyncio's loop, of socket and threading
}
_MOST_LINKS: Final = 32
"""Of one chain of causes."""


def callers_own(error: BaseException) -> BaseException | None:
    """What the caller's own code raised in the middle of ours, when `error` is that or comes of it;
    None for what is ours or a library's. To be asked outside of any `except` of ours: what is being
    handled then is the caller's from before, and no part of it."""
    for link in _chain(error, sys.exc_info()[1]):
        if by_a_handler(link):
            return link
    known = isinstance(error, OSError) or _root(type(error)) in _LIBRARIES
    return None if known else error


def by_a_handler(error: BaseException) -> bool:
    """Whether a signal's handler raised this very one."""
    codes = _codes()
    return any(frame.f_code in codes for frame, _ in walk_tb(error.__traceback__))


def _chain(error: BaseException | None, older: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of, as far as that is not `older`."""
    for _ in range(_MOST_LINKS):
        if error is None or error is older:
            return
        yield error
        error = error.__cause__ or error.__context__


def _codes() -> set[CodeType]:
    """Of the handlers that are set now."""
    handlers = map(signal.getsignal, signal.valid_signals())
    return {code for one in handlers if (code := _code(one)) is not None}


def _code(handler: object) -> CodeType | None:
    while isinstance(handler, partial):
        handler = handler.func
    if callable(handler) and not hasattr(handler, "__code__"):
        handler = getattr(handler, "__func__", None) or type(handler).__call__
    code = getattr(handler, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _root(kind: type[BaseException]) -> str:
    return str(kind.__module__).partition(".")[0]
