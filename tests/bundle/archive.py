"""Write ZIP archives byte by byte: as the format of bundles wants them, or wrong in one chosen way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
DATE = 0x0021  # 1980-01-01


@dataclass(frozen=True)
class Entry:
    """One entry. `local` and `central` overrule fields of its two headers by name.

    `before` and `after` are bytes around it that no header tells of.
    """

    name: bytes
    data: bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    before: bytes = b""
    after: bytes = b""

    def fields(self, changes: dict[str, Any]) -> dict[str, Any]:
        plain = {
            "version_made": 20,
            "version": 20,
            "flags": 0,
            "method": 0,
            "time": 0,
            "date": DATE,
            "crc": zlib.crc32(self.data),
            "stored": len(self.data),
            "size": len(self.data),
            "name": self.name,
            "extra": b"",
            "comment": b"",
            "disk": 0,
            "internal": 0,
            "external": 0,
        }
        assert not set(changes) - {*plain, "offset", "magic"}, changes
        return plain | changes


@dataclass(frozen=True)
class Wrong:
    """What is wrong with an archive as a whole; fields of the end record are overruled by name."""

    prefix: bytes = b""
    suffix: bytes = b""
    comment: bytes = b""
    before_directory: bytes = b""
    before_end: bytes = b""
    end: dict[str, int] = field(default_factory=dict)
    directory_order: tuple[int, ...] | None = None
    shift: int = 0  # added to all offsets


RIGHT = Wrong()


def pack(entries: Sequence[Entry], wrong: Wrong = RIGHT) -> bytes:
    """Return the archive: each entry behind the other, the directory, the end record."""
    out = bytearray(wrong.prefix)
    offsets = []
    for entry in entries:
        out += entry.before
        offsets.append(len(out) + wrong.shift)
        out += _local(entry) + entry.data + entry.after
    out += wrong.before_directory
    start = len(out)
    for n in wrong.directory_order or range(len(entries)):
        out += _central(entries[n], offsets[n])
    size = len(out) - start
    out += wrong.before_end
    return bytes(out) + _end(len(entries), size, start + wrong.shift, wrong) + wrong.suffix


def _local(entry: Entry) -> bytes:
    of = entry.fields(entry.local)
    head = LOCAL.pack(
        of.get("magic", b"PK\x03\x04"),
        *(of[name] for name in ("version", "flags", "method", "time", "date", "crc", "stored", "size")),
        len(of["name"]),
        len(of["extra"]),
    )
    return head + of["name"] + of["extra"]


def _central(entry: Entry, offset: int) -> bytes:
    of = entry.fields(entry.central)
    names = ("version_made", "version", "flags", "method", "time", "date", "crc", "stored", "size")
    head = CENTRAL.pack(
        of.get("magic", b"PK\x01\x02"),
        *(of[name] for name in names),
        *(len(of[name]) for name in ("name", "extra", "comment")),
        *(of[name] for name in ("disk", "internal", "external")),
        of.get("offset", offset),
    )
    return head + of["name"] + of["extra"] + of["comment"]


def _end(count: int, size: int, start: int, wrong: Wrong) -> bytes:
    of = {"disk": 0, "directory_disk": 0, "here": count, "count": count, "size": size, "start": start}
    of |= wrong.end
    return END.pack(b"PK\x05\x06", *of.values(), len(wrong.comment)) + wrong.comment


def with_crc32(data: bytes, wanted: int) -> bytes:
    """Append four bytes that give the data this CRC-32: going back from the wanted value, bit by bit."""
    here, register = zlib.crc32(data) ^ 0xFFFFFFFF, wanted ^ 0xFFFFFFFF
    for _ in range(32):
        register = (register << 1 ^ (0x1DB710641 if register & 0x80000000 else 0)) & 0xFFFFFFFF
    return data + (register ^ here).to_bytes(4, "little")
