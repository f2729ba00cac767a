"""Whether the files of a data server are still the ones that it writes to.

Theory. Redis writes to files that it has open, and never looks at their names again. When its
directory is removed, moved or replaced it goes on acknowledging, and the next start finds none of
that. So the watch looks the names up: the directory must be the one that the server works in, the
manifest must be there, and every file that it names must be the one that was seen before. Redis
replaces the manifest by a rename and deletes what that no longer names, so a name that leads
nowhere counts only while the manifest has not changed. No name is used twice in the life of a
server, and no file of its log gets shorter. One that is emptied is written on at its old end, and
begins with a hole, which no log does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

MANIFEST: Final = Path("appendonlydir", "appendonly.aof.manifest")
_ATTEMPTS: Final = 3
"""A log is rewritten less often than it can be looked at so many times."""


class _Seen(NamedTuple):
    device: int
    inode: int
    size_bytes: int


class DataFiles:
    """What one server has in its directory, looked at again and again."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._process = 0
        self._seen: dict[Path, _Seen] = {}

    def problem(self, process: int) -> str | None:
        """What became of the files of the server with this process, None while they are its own.
        What cannot be looked at is not known to be gone."""
        if process != self._process:
            self._process, self._seen = process, {}
        try:
            return self._of_directory() or self._of_log()
        except OSError:
            return None

    def _of_directory(self) -> str | None:
        now = _identity(self._place)
        if now is None:
            return f"{self._place} was removed or moved away"
        opened = self._seen.setdefault(self._place, _worked_in(self._process) or now)
        if now[:2] != opened[:2]:
            return f"{self._place} was replaced by another directory"
        return None

    def _of_log(self) -> str | None:
        manifest = self._place / MANIFEST
        problem = None
        for _ in range(_ATTEMPTS):
            before = _text(manifest)
            if before is None:
                return f"{manifest} was removed or moved away"
            problem = self._of_named(manifest, before)
            if problem is None or _text(manifest) == before:
                return problem
        return None  # it is being rewritten again and again, so it is there

    def _of_named(self, manifest: Path, text: str) -> str | None:
        files = [manifest.parent / name for name in _named(text)]
        if not files:
            return f"{manifest} names no file"
        now = {file: _identity(file) for file in files}
        for file, found in now.items():
            before = self._seen.get(file)
            if found is None:
                return f"{file} was removed or moved away"
            if before is not None and found[:2] != before[:2]:
                return f"{file} was replaced by another file"
            shorter = before is not None and found.size_bytes < before.size_bytes
            if shorter or _begins_with_hole(file):
                return f"{file} was cut short by somebody else"
        kept = {self._place: self._seen[self._place]}
        self._seen = kept | {file: found for file, found in now.items() if found is not None}
        return None


def _named(manifest: str) -> list[str]:
    """The files that a start would read: `file NAME seq NUMBER type b`, or `i`; `h` is history."""
    lines = [line.split() for line in manifest.splitlines()]
    return [words[1] for words in lines if words[:1] == ["file"] and words[-1] in {"b", "i"}]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(path: Path) -> _Seen | None:
    """None where the name leads nowhere. Raises OSError when that cannot be told."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _Seen(found.st_dev, found.st_ino, found.st_size)


def _begins_with_hole(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(1) == b"\0"
    except FileNotFoundError:
        return False  # the next look tells


def _worked_in(process: int) -> _Seen | None:
    """The directory that this process works in; None where that may not be looked at, as between
    two units of systemd. Then the first look counts."""
    try:
        return _identity(Path(f"/proc/{process}/cwd"))
    except OSError:
        return None
