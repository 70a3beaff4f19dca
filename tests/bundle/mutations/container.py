"""Change what is around the files: headers, directory, end record, and the gaps between them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.bundle.archive import Entry, Wrong, pack
from tests.bundle.making import Draft, entries
from tests.bundle.mutations.one import Mutation, because

ZIP64_END = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1, 0)
ZIP64_LOCATOR = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
DESCRIPTOR = struct.Struct("<4s3I")

PLACE = because("SIZE_WRONG", "DIRECTORY_WRONG", "END_WRONG")
HEADER = because(
    "CONTAINER_TOO_LARGE", "DIRECTORY_WRONG", "SIZE_WRONG", "HEADER_WRONG", "CRC_WRONG", "END_WRONG"
)
NAME = because("NAME_INVALID", "NAME_DUPLICATE", "ENTRY_MISSING", "ENTRY_EXTRA")

ONLY_CENTRAL = {"version_made", "comment", "disk", "internal", "external", "offset"}
FIELDS: dict[str, tuple[Any, ...]] = {
    "version_made": (0, 10, 45, 788),
    "version": (0, 10, 45, 63),
    "flags": (1, 2, 8, 9, 0x40, 0x800, 0x2000),  # encrypted, described behind, strong, UTF-8, masked
    "method": (1, 8, 12, 14, 93, 95, 99),
    "time": (1, 0x7A3F),
    "date": (0, 0x22, 0x5A21),
    "crc": (0, 1, 0xFFFFFFFF),
    "stored": (0, 1, 0xFFFFFFFF),
    "size": (0, 1, 0xFFFFFFFF),
    "name": (b"document.mD", b"document.m", b"document.md.", b"../../../.."),
    "extra": (b"\1\0\4\0abcd", struct.pack("<2H2Q", 1, 16, 10, 10), b"up\1\0a", b"\0"),
    "comment": (b"c", b"PK\x05\x06"),
    "disk": (1, 0xFFFF),
    "internal": (1, 2),
    "external": (0o100644 << 16, 0o120777 << 16, 0x10, 1),
    "offset": (1, 10, 0xFFFFFFFF),
    "magic": (b"PK\x07\x08", b"PK\x06\x06", b"\0\0\0\0"),
}


def of_the_container(draft: Draft) -> Iterator[Mutation]:
    """Put bytes where none belong, cut, and lie in the end record."""
    parts = entries(draft.parts())
    good, count = draft.zip(), len(parts)
    wrongs = {
        "bytes before it": Wrong(prefix=b"#!/bin/sh\n"),
        "bytes before it that no offset counts": Wrong(prefix=b"#!/bin/sh\n", shift=-10),
        "one byte behind it": Wrong(suffix=b"\0"),
        "a line behind it": Wrong(suffix=b"\n"),
        "a comment": Wrong(comment=b"a comment"),
        "a comment that looks like an end record": Wrong(comment=good[-22:]),
        "another end record behind it": Wrong(suffix=good[-22:]),
        "itself behind it": Wrong(suffix=good),
        "bytes before the directory": Wrong(before_directory=b"gap"),
        "bytes before the end record": Wrong(before_end=b"gap"),
        "ZIP64 records": Wrong(before_end=ZIP64_END + ZIP64_LOCATOR),
        "ZIP64 places": Wrong(end={"count": 0xFFFF, "here": 0xFFFF, "start": 0xFFFFFFFF}),
        "ZIP64 records and places": Wrong(before_end=ZIP64_END + ZIP64_LOCATOR, end={"count": 0xFFFF}),
        "no entries in the end record": Wrong(end={"count": 0, "here": 0, "size": 0}),
        "a directory in another order": Wrong(directory_order=(1, 0, *range(2, count))),
        "a directory with one entry twice": Wrong(directory_order=(0, 0, *range(2, count))),
        "a directory without its last entry": Wrong(directory_order=tuple(range(count - 1))),
        "a directory without one in the middle": Wrong(directory_order=(0, 1, *range(3, count))),
    }
    for field in ("disk", "directory_disk", "here", "count", "size", "start"):
        for value in (1, count - 1, count + 1, 0xFFFF):
            wrongs[f"{value} as {field} in the end record"] = Wrong(end={field: value})
    for name, wrong in wrongs.items():
        yield Mutation(name, pack(parts, wrong), PLACE | because("NAME_DUPLICATE"))
    yield from of_hidden_bytes(parts)
    yield from of_cuts(good)


def of_hidden_bytes(parts: Sequence[Entry]) -> Iterator[Mutation]:
    hidden = [*parts[:3], Entry(b"document.md", b"an older text"), *parts[3:]]
    order = (0, 1, 2, *range(4, len(hidden)))
    yield Mutation("a file that is not in the directory", pack(hidden, Wrong(directory_order=order)), PLACE)
    for n in (0, 3, len(parts) - 1):
        for where in ("before", "after"):
            gap = [*parts[:n], replace(parts[n], **{where: b"gap"}), *parts[n + 1 :]]
            yield Mutation(f"a gap {where} entry {n}", pack(gap), PLACE)


def of_cuts(good: bytes) -> Iterator[Mutation]:
    codes = PLACE | because("NOT_A_ZIP")
    for cut in (1, 22, 23, 60, len(good) // 2, len(good) - 30, len(good) - 1, len(good)):
        yield Mutation(f"{cut} bytes cut from its end", good[: len(good) - cut], codes)
        yield Mutation(f"{cut} bytes cut from its start", good[cut:], codes)
    yield Mutation("a PDF", b"%PDF-1.7\n" * 100, because("NOT_A_ZIP"))


def of_headers(draft: Draft) -> Iterator[Mutation]:
    """Change one field of one header, or of both headers of an entry alike."""
    parts = entries(draft.parts())
    for n in (0, 3, len(parts) - 1):
        for field, values in FIELDS.items():
            for where in ("central",) if field in ONLY_CENTRAL else ("local", "central", "both"):
                for value in values:
                    changed = in_header(parts[n], where, {field: value})
                    data = pack([*parts[:n], changed, *parts[n + 1 :]])
                    codes = HEADER | NAME if field == "name" else HEADER
                    yield Mutation(f"{field} {value!r} in {where} of entry {n}", data, codes)
        for how, changed in stored_otherwise(parts[n]).items():
            yield Mutation(f"entry {n} {how}", pack([*parts[:n], changed, *parts[n + 1 :]]), HEADER)


def in_header(entry: Entry, where: str, changes: dict[str, Any]) -> Entry:
    local, central = ({} if where == other else changes for other in ("central", "local"))
    return replace(entry, local=local, central=central)


def stored_otherwise(entry: Entry) -> dict[str, Entry]:
    packer = zlib.compressobj(wbits=-15)
    deflated = packer.compress(entry.data) + packer.flush()
    told = {"method": 8, "size": len(entry.data), "crc": zlib.crc32(entry.data)}
    unknown = {"flags": 8, "crc": 0, "stored": 0, "size": 0}
    descriptor = DESCRIPTOR.pack(b"PK\x07\x08", zlib.crc32(entry.data), len(entry.data), len(entry.data))
    return {
        "compressed": Entry(entry.name, deflated, told, told),
        "described behind": Entry(entry.name, entry.data, unknown, {"flags": 8}, after=descriptor),
        "sharing the bytes of another": replace(entry, central={"offset": 5}),
    }
