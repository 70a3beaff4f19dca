"""Bundles that are made to exhaust whoever reads them. No key is needed: they are read before it is asked."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import rfc8785

from tests.bundle.archive import Wrong, pack
from tests.bundle.broken import manifest_of, with_manifest
from tests.bundle.making import entries
from tests.bundle.paper import compact
from tests.bundle.specimens import EXTRACTION, plain

MIB = 1 << 20
CITATION = EXTRACTION["fields"]["total"]["citations"][0]
WORDLESS = compact({"block": None, "page": 1, "range": None, "text": None, "words": []}) + b"\n"


def many_entries() -> bytes:
    return pack(entries([(f"files/{n:05d}", b"") for n in range(10_000)]))


def count_without_entries() -> bytes:
    return pack([], Wrong(end={"here": 65_534, "count": 65_534}))


def directory_of_names() -> bytes:
    return pack(entries([(f"{n:05d}" + "n" * 95 + "/" + "m" * 100, b"") for n in range(10_000)]))


def size_that_nobody_has() -> bytes:
    good = plain().zip()
    at = good.index(b"PK\x01\x02")
    return good[: at + 20] + struct.pack("<2I", 0xFFFFFFF0, 0xFFFFFFF0) + good[at + 28 :]


def manifest_of_many_files() -> bytes:
    good = manifest_of(plain())
    files = [good["artifacts"][-1] | {"name": f"files/{n}"} for n in range(50_000)]
    return with_manifest(plain(), rfc8785.dumps(good | {"artifacts": [*good["artifacts"][:-1], *files]}))


def manifest_that_is_too_large() -> bytes:
    return with_manifest(plain(), b'"' + b"a" * (33 * MIB) + b'"')


def manifest_with_a_long_number() -> bytes:
    good = plain().manifest_bytes()
    return with_manifest(plain(), good.replace(b'"attempt":1', b'"attempt":' + b"9" * MIB))


def manifest_of_brackets() -> bytes:
    good = plain().manifest_bytes()
    return with_manifest(plain(), good.replace(b'"options":{}', b'"options":' + b"[" * (8 * MIB)))


def extraction_of(value: Any) -> bytes:
    return plain().with_artifact("extraction.json", compact(value)).zip()


def extraction_with_long_names_of_many_objects() -> bytes:
    return extraction_of({"k" * MIB: [{} for _ in range(100_000)]})


def extraction_with_long_names_of_many_citations() -> bytes:
    return extraction_of({"k" * MIB: [CITATION] * 20_000})


def extraction_that_is_deep() -> bytes:
    deep = b'{"a":' * 2_000_000 + b"1" + b"}" * 2_000_000
    return plain().with_artifact("extraction.json", deep).zip()


def extraction_of_too_many_values() -> bytes:
    return plain().with_artifact("extraction.json", b"[" + b"0," * 5_000_000 + b"0]").zip()


def extraction_of_long_numbers() -> bytes:
    return (
        plain()
        .with_artifact("extraction.json", b'{"a":[' + b"9" * 4_000 + (b"," + b"9" * 4_000) * 4_000 + b"]}")
        .zip()
    )


def ranges_over_a_text_of_spaces() -> bytes:
    """Every citation is to be compared with all of the text."""
    size = 8 * MIB
    words = [["p1.w0", "-", [0, 0, 1, 1]]]
    chunk = {"block": "p1.b0", "page": 1, "range": [0, size], "text": " " * size, "words": words}
    made = plain().with_artifact("document.md", b" " * size).with_chunks(compact(chunk) + b"\n")
    cited = {
        "page": 1,
        "box": [0, 0, 1, 1],
        "words": ["p1.w0"],
        "range": [0, size],
        "quote": "-",
        "match": "exact",
    }
    return made.with_artifact("extraction.json", compact({"a": [cited] * 2_000})).zip()


def citations_of_a_long_word() -> bytes:
    """Every citation joins a word of many letters with itself."""
    chunk = {"block": None, "page": 1, "range": None, "text": None, "words": [["w", "a" * MIB, [0, 0, 1, 1]]]}
    cited = {
        "page": 1,
        "box": [0, 0, 1, 1],
        "words": ["w"] * 1_000,
        "range": None,
        "quote": "a",
        "match": "exact",
    }
    made = plain().with_chunks(compact(chunk) + b"\n")
    return made.with_artifact("extraction.json", compact({"a": [cited] * 1_000})).zip()


def chunks_in_one_line() -> bytes:
    return plain().with_artifact("chunks.ndjson", b"x" * (20 * MIB)).zip()


def chunks_of_a_line_that_is_too_long() -> bytes:
    line = {
        "block": None,
        "page": 1,
        "range": None,
        "text": None,
        "words": [["w", "a" * (20 * MIB), [0, 0, 1, 1]]],
    }
    return plain().with_artifact("chunks.ndjson", compact(line) + b"\n").zip()


def many_chunks() -> bytes:
    return plain().with_artifact("chunks.ndjson", WORDLESS * 100_000).zip()


def text_that_is_too_large() -> bytes:
    return plain().with_artifact("document.md", b"a" * (65 * MIB)).zip()


def proof_of_many_signatures() -> bytes:
    proof = (
        b"c2sp.org/tlog-proof@v1\nindex 0\n\no\n1\n"
        + b"A" * 43
        + b"=\n\n"
        + "\u2014 o AAAA\n".encode() * 12_000
    )
    return replace(plain(), proofs={"proofs/log.tlog-proof": proof}).zip()


def proof_of_empty_lines() -> bytes:
    return replace(plain(), proofs={"proofs/log.tlog-proof": b"\n" * (120 * 1024)}).zip()


def timestamp_of_many_parts() -> bytes:
    parts = b"\xa0\x00" * 120_000 + b"\x31\x00"
    inner = der(0x30, der(0x06, b"a") + der(0xA0, der(0x30, parts)))
    return replace(plain(), proofs={"proofs/timestamp.tsr": der(0x30, der(0x30, b"") + inner)}).zip()


def der(tag: int, content: bytes) -> bytes:
    return bytes([tag, 0x83]) + len(content).to_bytes(3, "big") + content


def envelope_of_brackets() -> bytes:
    parts = dict(plain().parts()) | {"manifest.dsse.json": b"[" * 900_000}
    return pack(entries(list(parts.items())))


def names_that_move_the_cursor() -> bytes:
    """Text that would clear the screen, turn what follows around, or break a printer of UTF-8."""
    source = {**plain().manifest["source"], "name": "\x1b[2J\x1b]0;title\x07\u202e\u0000\x9b31m"}
    made = plain().saying(source=source, log={"origin": "\x1b[31mred\r\nok      signature"})
    return made.with_artifact(
        "extraction.json", json.dumps({"\x1b[2J\ud83d": CITATION | {"page": 9}}).encode()
    ).zip()


HOSTILE: dict[str, Callable[[], bytes]] = {
    made.__name__: made
    for made in (
        many_entries,
        count_without_entries,
        directory_of_names,
        size_that_nobody_has,
        manifest_of_many_files,
        manifest_that_is_too_large,
        manifest_with_a_long_number,
        manifest_of_brackets,
        extraction_with_long_names_of_many_objects,
        extraction_with_long_names_of_many_citations,
        extraction_that_is_deep,
        extraction_of_too_many_values,
        extraction_of_long_numbers,
        ranges_over_a_text_of_spaces,
        citations_of_a_long_word,
        chunks_in_one_line,
        chunks_of_a_line_that_is_too_long,
        many_chunks,
        text_that_is_too_large,
        proof_of_many_signatures,
        proof_of_empty_lines,
        timestamp_of_many_parts,
        envelope_of_brackets,
        names_that_move_the_cursor,
    )
}
