"""A disk under SQLite that refuses: fsync with an I/O error, writes for want of room."""

from __future__ import annotations

import apsw


class _File(apsw.VFSFile):
    def __init__(
        self, disk: SickDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name or ""

    def xSync(self, flags: int) -> None:  # noqa: N802 - the name is SQLite's
        if self._disk.sick and self._name.endswith(self._disk.sick):
            raise apsw.IOError("fsync: Input/output error")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the name is SQLite's
        if self._disk.full and self._name.endswith(self._disk.full):
            raise apsw.FullError("no space left")
        super().xWrite(data, offset)


class SickDisk(apsw.VFS):
    """The default VFS, with fsync failing on files whose name ends with `sick`, and without room
    for files whose name ends with `full`."""

    def __init__(self) -> None:
        self.sick = ""
        self.full = ""
        super().__init__("sick", "unix", makedefault=True)

    def xOpen(  # noqa: N802 - the name is SQLite's
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _File(self, name, flags)
