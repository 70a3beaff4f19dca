"""The ZIP of a bundle: what is not contents follows from the names, sizes and CRC-32 of its entries.

So a writer needs to know those three alone, and a reader compares with what must stand there instead of
interpreting what does.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, Protocol

MAX_ENTRIES = 65_534
MAX_SIZE_BYTES = 2**32 - 1  # of the whole container: no field ever needs ZIP64

MAX_NAME_BYTES = 201
BLOCK_BYTES = 1 << 20  # what is read at a time

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_FIELDS = "signature needed flags method time date crc32 compressed size name_size extra_size"
_CENTRAL_FIELDS = (
    "signature made_by needed flags method time date crc32 compressed size name_size extra_size"
    " comment_size disk internal external offset"
)
_END_FIELDS = (
    "signature disk directory_disk entries_here entries directory_size directory_offset comment_size"
)
_VERSION = 20
_DATE = 0x0021  # 1980-01-01, the first that a ZIP can say

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")


class ContainerError(ValueError):
    """The container is not what it must be; `code` says why and `entry` where, if it is one entry."""

    def __init__(self, code: str, message: str, entry: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.entry = None if entry is None else entry[:MAX_NAME_BYTES]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the container: its name, the size in bytes and the CRC-32 of its contents."""

    name: str
    size: int
    crc32: int


class Plan:
    """The container of these entries: `head(0)`, contents, `head(1)`, contents, ..., `tail()`."""

    def __init__(self, entries: Iterable[Entry]) -> None:
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
        directory = b"".join(self.central(n) for n in range(len(self.entries)))
        count = len(self.entries)
        end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), self._offsets[-1], 0)
        return directory + end

    def central(self, n: int) -> bytes:
        """Return the `n`-th record of the directory."""
        entry = self.entries[n]
        name = entry.name.encode()
        stored = (entry.crc32, entry.size, entry.size, len(name))
        fixed = (b"PK\x01\x02", _VERSION, _VERSION, 0, 0, 0, _DATE)
        return _CENTRAL.pack(*fixed, *stored, 0, 0, 0, 0, 0, self._offsets[n]) + name


class Files(Protocol):
    """Something that holds the files of a bundle; `read` raises `ContainerError` for what it finds wrong."""

    @property
    def entries(self) -> Sequence[Entry]: ...

    def read(self, n: int, /) -> Iterator[bytes]: ...


class Container:
    """A ZIP whose size and directory are what they must be; `read` sees to the rest, entry by entry."""

    def __init__(self, file: BinaryIO, plan: Plan) -> None:
        self._file = file
        self._plan = plan

    @property
    def entries(self) -> Sequence[Entry]:
        """Return the entries in their order."""
        return self._plan.entries

    def read(self, n: int, /) -> Iterator[bytes]:
        """Yield the contents of the `n`-th entry in blocks; its header is compared first, its CRC-32 last."""
        entry, head = self.entries[n], self._plan.head(n)
        self._file.seek(self._plan.offset(n) - len(head))
        if (found := self._file.read(len(head))) != head:
            raise ContainerError("HEADER_WRONG", _difference(_LOCAL_FIELDS, _LOCAL, found, head), entry.name)
        crc32, remaining = 0, entry.size
        while remaining:
            block = self._file.read(min(remaining, BLOCK_BYTES))
            if not block:
                raise ContainerError("TRUNCATED", "The file ended while it was read.", entry.name)
            crc32 = zlib.crc32(block, crc32)
            remaining -= len(block)
            yield block
        if crc32 != entry.crc32:
            raise ContainerError("CRC_WRONG", "The contents have another CRC-32 than the header.", entry.name)


def read(file: BinaryIO) -> Container:
    """Return the container in a file that can be sought. Raise `ContainerError` if it is not one to the byte.

    The names, sizes and CRC-32 in the directory are taken as a proposal: what a container of these would be
    is worked out, and compared.
    """
    size = file.seek(0, io.SEEK_END)
    if size > MAX_SIZE_BYTES:
        raise ContainerError("CONTAINER_TOO_LARGE", f"A bundle has at most {MAX_SIZE_BYTES:,} bytes.")
    directory_size, directory_offset, count = _read_end(file, size)
    file.seek(directory_offset)
    directory = file.read(directory_size)
    plan = Plan(_proposed(directory, count))
    tail = plan.tail()
    if plan.size != size or len(tail) != size - directory_offset:
        raise ContainerError("SIZE_WRONG", f"There are {size:,} bytes; its entries make {plan.size:,}.")
    file.seek(directory_offset)
    if (found := file.read()) != tail:
        raise _directory_wrong(plan, found)
    return Container(file, plan)


def _read_end(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return size and offset of the directory, and how many entries it has, such that they are possible."""
    if size < _END.size:
        raise ContainerError("NOT_A_ZIP", "This is not a ZIP.")
    file.seek(0)
    start = file.read(4)
    file.seek(size - _END.size)
    magic, _, _, _, count, directory_size, directory_offset, _ = _END.unpack(file.read(_END.size))
    if magic != b"PK\x05\x06":
        if start != b"PK\x03\x04":
            raise ContainerError("NOT_A_ZIP", "This is not a ZIP.")
        raise ContainerError(
            "END_WRONG", "The file does not end with a ZIP's end record: it was cut or extended."
        )
    if directory_offset + directory_size + _END.size != size:
        raise ContainerError("SIZE_WRONG", "The directory is not where the end record says.")
    if count > MAX_ENTRIES or directory_size > count * (_CENTRAL.size + MAX_NAME_BYTES):
        raise ContainerError("DIRECTORY_WRONG", "The directory is larger than its entries can make it.")
    return directory_size, directory_offset, count


def _proposed(directory: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if len(directory) - at < _CENTRAL.size:
            raise ContainerError("DIRECTORY_WRONG", "The directory ends before its last entry.")
        fields = _CENTRAL.unpack_from(directory, at)
        crc32, size, name_size = fields[7], fields[9], fields[10]
        at += _CENTRAL.size
        name = directory[at : at + name_size].decode("latin-1")  # refused later unless it is ASCII
        at += name_size
        yield Entry(name, size, crc32)


def _directory_wrong(plan: Plan, found: bytes) -> ContainerError:
    at = 0
    for n, entry in enumerate(plan.entries):
        expected = plan.central(n)
        here = found[at : at + len(expected)]
        if here != expected:
            message = _difference(_CENTRAL_FIELDS, _CENTRAL, here, expected)
            return ContainerError("DIRECTORY_WRONG", message, entry.name)
        at += len(expected)
    return ContainerError("END_WRONG", _difference(_END_FIELDS, _END, found[at:], plan.tail()[at:]))


def _difference(names: str, fields: struct.Struct, found: bytes, expected: bytes) -> str:
    """Say in which field a record differs from what it must be."""
    if len(found) < fields.size:
        return "The file ended while it was read."
    pairs = zip(names.split(), fields.unpack_from(found), fields.unpack_from(expected), strict=True)
    for name, is_, must_be in pairs:
        if is_ != must_be:
            return f"The field '{name}' is {is_!r} and must be {must_be!r}."
    return "The name is not the one in the directory."


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
