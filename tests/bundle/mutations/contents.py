"""Change the files of a bundle: their bytes, their order, their names, which there are."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from tests.bundle.archive import Entry, pack, with_crc32
from tests.bundle.making import Draft, entries
from tests.bundle.mutations.one import Mutation, because, flipped, listed

CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "its first bit flipped": lambda data: flipped(data, 0),
    "a bit in its middle flipped": lambda data: flipped(data, len(data) // 2),
    "its last bit flipped": lambda data: flipped(data, len(data) - 1),
    "its end cut": lambda data: data[:-1],
    "a byte added": lambda data: data + b"\n",
    "nothing in it": lambda _: b"",
    "zeros in it": lambda data: bytes(len(data)),
    "other bytes of the same CRC-32": lambda data: with_crc32(bytes(len(data) - 4), zlib.crc32(data)),
}
REASONS = {
    "manifest.json": because("MANIFEST_INVALID"),
    "manifest.dsse.json": because("ENVELOPE_INVALID", "SIGNATURE_INVALID", "KEY_UNKNOWN"),
    "proofs/log.tlog-proof": because("LOG_PROOF_MALFORMED", "CHECKPOINT_MALFORMED", "LOG_ORIGIN_OTHER"),
}
EXTRA = ("files/extra.bin", "extra.txt", "pages/0099.webp", "proofs/other.txt", "reviewed.json", "META-INF/a")
BAD_NAMES: dict[str, bytes] = {
    "going up": b"../document.md",
    "going up from a folder": b"pages/../document.md",
    "absolute": b"/etc/passwd",
    "of a drive": b"C:/document.md",
    "with a backslash": b"source\\invoice.txt",
    "with a backslash going up": b"..\\document.md",
    "with a NUL": b"document.md\x00.txt",
    "with a newline": b"document.md\n",
    "with an escape": b"\x1b[2Jdocument.md",
    "with a space": b"document .md",
    "of a hidden file": b".document.md",
    "beginning with a dash": b"-rf",
    "empty": b"",
    "of a folder": b"files/",
    "with two slashes": b"files//a",
    "with a dot": b"./document.md",
    "three deep": b"files/a/b",
    "in UTF-8": "dócument.md".encode(),
    "that looks the same": "d\u043ecument.md".encode(),
    "not in UTF-8": b"docum\xe9nt.md",
    "with an invisible character": "document\u200b.md".encode(),
    "turned around": "document\u202emd.".encode(),
    "too long": b"files/" + b"a" * 101,
    "of 65,535 bytes": b"a" * 65_535,
    "that asks for a stream": b"document.md::$DATA",
    "with a tilde": b"~/document.md",
    "with a percent": b"%2e%2e/document.md",
}


def of_contents(draft: Draft) -> Iterator[Mutation]:
    """Change the bytes of each file, and let the container fit them."""
    parts = draft.parts()
    for n, (name, data) in enumerate(parts):
        codes = REASONS.get(name, because("SIZE_WRONG", "HASH_WRONG"))
        for how, change in CHANGES.items():
            changed = [*parts[:n], (name, change(data)), *parts[n + 1 :]]
            yield Mutation(f"{name} with {how}", pack(entries(changed)), codes, name)


def of_the_list_of_entries(draft: Draft) -> Iterator[Mutation]:
    """Take files away, add some, and put them in another order."""
    parts = draft.parts()
    core = len(parts) - len(draft.proofs)
    for n, (name, data) in enumerate(parts):
        if n < core:
            yield listed(f"{name} missing", [*parts[:n], *parts[n + 1 :]], "ENTRY_MISSING", "ENTRY_ORDER")
        twice = [*parts[: n + 1], (name, data), *parts[n + 1 :]]
        yield listed(f"{name} twice", twice, "NAME_DUPLICATE", entry=name)
        other = [*parts, (name, b"another one")]
        yield listed(f"{name} again at the end", other, "NAME_DUPLICATE", entry=name)
        louder = [*parts, (name.upper(), data)]
        yield listed(f"{name} again in capitals", louder, "NAME_DUPLICATE", entry=name.upper())
    for n in range(len(parts) - 1):
        swapped = [*parts[:n], parts[n + 1], parts[n], *parts[n + 2 :]]
        yield listed(f"{parts[n][0]} and the next swapped", swapped, "ENTRY_MISSING", "ENTRY_ORDER")
    for name in EXTRA:
        for at, where in ((0, "at the start"), (core, "behind the core"), (len(parts), "at the end")):
            more = [*parts[:at], (name, b"extra"), *parts[at:]]
            yield listed(f"{name} extra {where}", more, "ENTRY_MISSING", "ENTRY_ORDER", "ENTRY_EXTRA")
    yield listed("nothing in it", [], "ENTRY_MISSING")
    yield listed("all backwards", parts[::-1], "ENTRY_MISSING", "ENTRY_ORDER")


def of_names(draft: Draft) -> Iterator[Mutation]:
    """Call the text something else, and add an entry that is called so."""
    parts = entries(draft.parts())
    for how, name in BAD_NAMES.items():
        refused = because("NAME_INVALID" if len(name) <= 201 else "DIRECTORY_WRONG")
        renamed = [*parts[:3], Entry(name, parts[3].data), *parts[4:]]
        yield Mutation(f"a name {how}", pack(renamed), refused)
        added = [*parts, Entry(name, b"more")]
        yield Mutation(f"one more with a name {how}", pack(added), refused)
    for name in (b"Document.md", b"DOCUMENT.MD", b"document.MD", b"document", b"documents.md"):
        renamed = [*parts[:3], Entry(name, parts[3].data), *parts[4:]]
        yield Mutation(
            f"the text named {name.decode()}", pack(renamed), because("ENTRY_MISSING", "ENTRY_ORDER")
        )
