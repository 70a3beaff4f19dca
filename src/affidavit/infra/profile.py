"""Say what a child may start: nothing, or the programs of one reader."""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

PT_INTERP: Final = 3  # of elf.h: the segment that names the loader


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of walls. `programs` are the real paths of all that may be executed, loaders included."""

    name: str
    programs: tuple[str, ...] = ()

    @classmethod
    def of(cls, binaries: Sequence[Path]) -> Self:
        """Return the walls of a child that may start these binaries: `parse` when there are none."""
        if not binaries:
            return cls("parse")
        return cls("ocr-tesseract", _with_loaders(tuple(os.path.realpath(path) for path in binaries)))


PARSE: Final = Profile("parse")


@functools.cache
def _with_loaders(binaries: tuple[str, ...]) -> tuple[str, ...]:
    loaders = (loader for path in binaries if (loader := _loader(path)) is not None)
    return tuple(dict.fromkeys((*binaries, *map(os.path.realpath, loaders))))


def _loader(path: str) -> str | None:
    """Return the dynamic loader that a program names; None for a static or foreign one."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
                return None
            offset, size, count = _program_headers(head)
            file.seek(offset)
            table = file.read(size * count)
            for at in range(0, size * count, size):
                kind, _, start, _, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", table, at)
                if kind == PT_INTERP:
                    file.seek(start)
                    return file.read(length).rstrip(b"\0").decode()
    except (OSError, struct.error, ValueError):
        return None
    return None


def _program_headers(head: bytes) -> tuple[int, int, int]:
    """Return offset, entry size and count, of Elf64_Ehdr."""
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    return offset, size, count
