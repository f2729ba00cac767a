"""The one edge where words leave for people, and JSON for scripts.

Results go to standard output by `say`, `print_json` and `draw`; what is only of interest now
(notes, errors, progress) to standard error by `note`. What a person reads is escaped
(`screen.printable`); JSON is UTF-8 whatever the terminal speaks. A character that the encoding
lacks is replaced. Standard output that takes nothing raises Unwritable, so that no command says
that it has shown what it has not; standard error that takes nothing stops nothing.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO, cast

from workmill.domain.errors import InvalidInput, StoreUnavailable, Unavailable, WorkmillError
from workmill.process.entry import was_closed
from workmill.telemetry import terminal_text
from workmill.telemetry.log_output import write_whole

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

STDIN, STDOUT, STDERR = 0, 1, 2
LONGEST_RETRY_SECONDS: Final = 86_400.0
"""A longer time to wait is not worth telling."""
PIPE_WIDTH: Final = 80


class Unwritable(Exception):
    """Standard output took nothing, or nothing more; the error of the write is the cause."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Styled(NamedTuple):
    """A part of a line in a colour of `terminal_text`."""

    text: str
    colour: str


class _Drawing:
    """A stream that is drawn on, perhaps by a thread of Rich: standard output that takes nothing
    is Unwritable to the command itself, and nothing else is anybody's trouble."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._raises = stream, stream is sys.stdout
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if isinstance(error, BlockingIOError):  # after Ctrl-C no reader is waited for
                return
            if self._raises and threading.current_thread() is threading.main_thread():
                raise Unwritable(error) from None


def prepare() -> None:
    """Have both streams write all or say that they cannot, and replace what their encoding lacks
    (ASCII, Latin-1) instead of failing."""
    for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            whole = write_whole(stream, descriptor)
            whole.reconfigure(errors="replace")
            setattr(sys, name, whole)


def say(*parts: str | Styled) -> None:
    """One line on standard output. Raises Unwritable."""
    _write(_line(parts, sys.stdout))


def note(*parts: str | Styled) -> None:
    """One line for the person at the terminal; never raises."""
    stream = sys.stderr
    if stream is None:  # closed at the start
        return
    with suppress(OSError, ValueError):
        stream.write(_line(parts, stream))
        stream.flush()


def leave() -> None:
    """Before the end of a command that was interrupted: what neither stream takes is given up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with suppress(OSError, ValueError):
                lead_nowhere(stream)


def lead_nowhere(stream: TextIO) -> None:
    """Let the exit of this process not fail at this stream again. Raises OSError, ValueError."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())


def announce(text: str) -> None:
    """A line on standard output of somebody who goes on whether or not it can be written."""
    try:
        say(text)
    except Unwritable as error:
        note(f"{text} (Standard output cannot be written: {error.cause.strerror}.)")


def print_json(message: object) -> None:
    """One JSON document, always UTF-8, and a line's end on standard output. Raises Unwritable."""
    from workmill.wire import codecs

    try:
        document = codecs.to_json(message)
    except UnicodeEncodeError:  # JSON has no way to say a byte that is no character
        document = codecs.to_json(_escaped(message))
    _write(document + b"\n")


def draw(view: RenderableType, width: int | None = None) -> None:
    """A table or the like on standard output; `width` is that of a pipe. Raises Unwritable."""
    drawn = io.StringIO()
    rich_console(sys.stdout, width, drawn).print(view)
    _write(drawn.getvalue())


def rich_console(stream: TextIO, width: int | None = None, into: TextIO | None = None) -> Console:
    """Rich as it may draw on this stream, or for it `into` another one: its own opinions on colour
    and markup do not count, and what cannot be written is told as everywhere."""
    from rich.console import Console

    redraw, colour = terminal_text.can_redraw(stream), terminal_text.has_colour(stream)
    return Console(
        file=into or cast("TextIO", _Drawing(stream)),
        force_terminal=redraw,
        force_interactive=redraw,
        color_system="standard" if colour else None,
        no_color=not colour,
        width=None if terminal_text.is_terminal(stream) else width or PIPE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def flush_to_disk() -> None:
    """Have what was said on stable storage when standard output is a file. Raises Unwritable."""
    try:
        place = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(place).st_mode):
            os.fsync(place)
    except (AttributeError, io.UnsupportedOperation):
        return  # closed, as every `say` has told, or no descriptor at all
    except OSError as error:
        raise Unwritable(error) from None


def check_output() -> None:
    """Raises Unwritable when standard output was closed before this process began."""
    _write("")


_TOLD_BY_DETAIL: Final = frozenset({InvalidInput.title, Unavailable.title, StoreUnavailable.title})
"""Too general to be told: the detail says what it is, and it may be this machine's own."""


def show_error(error: WorkmillError) -> None:
    """What happened, what was kept, what to do: each error says it in its own words."""
    parts = [] if error.title in _TOLD_BY_DETAIL else [f"{error.title}."]
    if error.detail.rstrip(".") != error.title:
        parts.append(error.detail)
    head, *rest = parts or [f"{error.title}."]
    note(Styled(head, terminal_text.BOLD_RED))
    for part in rest:
        note(part)
    if 0 < (error.retry_after_seconds or 0) <= LONGEST_RETRY_SECONDS:
        note(f"Try again in {ceil(error.retry_after_seconds or 0)} s.")


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.4 s`, `12 s`, `3 min 20 s`, `5 h 12 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _line(parts: tuple[str | Styled, ...], stream: TextIO) -> str:
    said = (Styled(part, "") if isinstance(part, str) else part for part in parts)
    shown = (
        terminal_text.coloured(terminal_text.printable(text), colour, stream)
        for text, colour in said
    )
    return "".join(shown) + "\n"


def _write(data: str | bytes) -> None:
    """Write and flush, so that what cannot be written is known here and not at the exit."""
    stream = sys.stdout
    if stream is None or was_closed(STDOUT):
        raise Unwritable(_closed())
    try:
        if isinstance(data, bytes):
            stream.flush()
            stream.buffer.write(data)
        else:
            stream.write(data)
        stream.flush()
    except OSError as error:
        raise Unwritable(error) from None
    except ValueError:
        raise Unwritable(_closed()) from None


def _closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


def _escaped(message: object) -> object:
    """The message with every text in it escaped where it is no valid Unicode."""
    import msgspec

    return _walk(msgspec.to_builtins(message), _utf8)


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return terminal_text.printable(text)
    return text


def _walk(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_walk(name, change): _walk(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(one, change) for one in value]
    return value
