"""The ZIP of a bundle: what is not contents follows from the names, sizes and CRC-32 of its entries.

So a writer needs to know those three alone, and a reader compares with what must stand there instead of
interpreting what does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

MAX_ENTRIES = 65_534
MAX_SIZE_BYTES = 2**32 - 1  # of the whole container: no field ever needs ZIP64

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_DATE = 0x0021  # 1980-01-01, the first that a ZIP can say

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")


class ContainerError(ValueError):
    """The container is not what it must be; `code` says why and `entry` where, if it is one entry."""

    def __init__(self, code: str, message: str, entry: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the container: its name, the size in bytes and the CRC-32 of its contents."""

    name: str
    size: int
    crc32: int


class Plan:
    """The container of these entries: `head(0)`, contents, `head(1)`, contents, ..., `tail()`."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        _refuse_names([entry.name for entry in self.entries])
        spans = [_LOCAL.size + len(entry.name) + entry.size for entry in self.entries]
        self._offsets = [0, *accumulate(spans)]
        directory = sum(_CENTRAL.size + len(entry.name) for entry in self.entries)
        self.size = self._offsets[-1] + directory + _END.size
        if self.size > MAX_SIZE_BYTES:
            raise ContainerError("CONTAINER_TOO_LARGE", f"A bundle has at most {MAX_SIZE_BYTES:,} bytes.")

    def offset(self, n: int) -> int:
        """Return where the contents of the `n`-th entry begin."""
        return self._offsets[n] + _LOCAL.size + len(self.entries[n].name)

    def head(self, n: int) -> bytes:
        """Return the bytes before the contents of the `n`-th entry, from 0."""
        entry = self.entries[n]
        name = entry.name.encode()
        fixed = _LOCAL.pack(
            b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, entry.crc32, entry.size, entry.size, len(name), 0
        )
        return fixed + name

    def tail(self) -> bytes:
        """Return the bytes after the contents of the last entry: the directory and the end record."""
        directory = b"".join(self._central(n) for n in range(len(self.entries)))
        count = len(self.entries)
        end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), self._offsets[-1], 0)
        return directory + end

    def _central(self, n: int) -> bytes:
        entry = self.entries[n]
        name = entry.name.encode()
        stored = (entry.crc32, entry.size, entry.size, len(name))
        fixed = (b"PK\x01\x02", _VERSION, _VERSION, 0, 0, 0, _DATE)
        return _CENTRAL.pack(*fixed, *stored, 0, 0, 0, 0, 0, self._offsets[n]) + name


def _refuse_names(names: Sequence[str]) -> None:
    if len(names) > MAX_ENTRIES:
        raise ContainerError("TOO_MANY_ENTRIES", f"A bundle has at most {MAX_ENTRIES:,} entries.")
    seen: set[str] = set()
    for name in names:
        if not _NAME.fullmatch(name):
            raise ContainerError("NAME_INVALID", "An entry has a name that a bundle never uses.", name)
        if name.lower() in seen:  # some file systems tell no case apart
            raise ContainerError("NAME_DUPLICATE", "Two entries have the same name.", name)
        seen.add(name.lower())
