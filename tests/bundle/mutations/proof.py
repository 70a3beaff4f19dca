"""Change what the proof of the log says, line by line."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.bundle.making import Draft
from tests.bundle.mutations.one import Mutation, because

NAME = "proofs/log.tlog-proof"
BAD, NOT_IN = "LOG_PROOF_MALFORMED", "LOG_ENTRY_NOT_INCLUDED"
NOTE, UNKNOWN, FORGED = "CHECKPOINT_MALFORMED", "CHECKPOINT_KEY_UNKNOWN", "CHECKPOINT_SIGNATURE_INVALID"
ZERO = base64.b64encode(bytes(32))

Wrong = dict[str, tuple[bytes, *tuple[str, ...]]]


@dataclass(frozen=True)
class Lines:
    """The lines of a proof, each of which can be replaced."""

    title: bytes
    index: bytes
    hashes: Sequence[bytes]
    origin: bytes
    size: bytes
    root: bytes
    signature: bytes

    def but(self, **changes: object) -> bytes:
        lines = replace(self, **changes)  # type: ignore[arg-type]
        head = b"\n".join([lines.title, lines.index, *lines.hashes])
        return head + b"\n\n" + b"\n".join([lines.origin, lines.size, lines.root, b"", lines.signature, b""])


def of_proofs(draft: Draft) -> Iterator[Mutation]:
    """Put another proof in."""
    if NAME not in draft.proofs:
        return
    good = draft.proofs[NAME]
    lines = split(good)
    for how, (changed, *codes) in (of_paths(lines) | of_checkpoints(lines) | of_lines(good)).items():
        assert changed != good, how
        made = replace(draft, proofs={**draft.proofs, NAME: changed})
        yield Mutation(f"a log proof {how}", made.zip(), because(*codes), NAME)


def split(good: bytes) -> Lines:
    head, _, note = good.partition(b"\n\n")
    title, index, *hashes = head.split(b"\n")
    origin, size, root, _, signature, _ = note.split(b"\n")
    lines = Lines(title, index, hashes, origin, size, root, signature)
    assert lines.but() == good
    return lines


def of_paths(lines: Lines) -> Wrong:
    hashes = lines.hashes
    return {
        "of another version": (lines.but(title=lines.title.replace(b"v1", b"v2")), BAD),
        "with extra data": (lines.but(title=lines.title + b"\nextra AAAA"), BAD),
        "without an index": (lines.but(index=hashes[0]), BAD),
        "with the next index": (lines.but(index=b"index 3"), NOT_IN),
        "with the first index": (lines.but(index=b"index 0"), NOT_IN),
        "with an index past the end": (lines.but(index=b"index 7"), NOT_IN),
        "with a huge index": (lines.but(index=b"index " + b"9" * 5000), BAD),
        "with a negative index": (lines.but(index=b"index -2"), BAD),
        "with a zero before the index": (lines.but(index=b"index 02"), BAD),
        "with a plus before the index": (lines.but(index=b"index +2"), BAD),
        "with other digits": (lines.but(index="index \u0662".encode()), BAD),
        "without hashes": (lines.but(hashes=()), NOT_IN),
        "with a hash less": (lines.but(hashes=hashes[1:]), NOT_IN),
        "with a hash more": (lines.but(hashes=[*hashes, ZERO]), NOT_IN),
        "with hashes reordered": (lines.but(hashes=hashes[::-1]), NOT_IN),
        "with a hash of zeros": (lines.but(hashes=[ZERO, *hashes[1:]]), NOT_IN),
        "with a hash cut short": (lines.but(hashes=[base64.b64encode(bytes(31)), *hashes[1:]]), BAD),
        "with 1,000 hashes": (lines.but(hashes=[ZERO] * 1000), BAD, NOT_IN),
    }


def of_checkpoints(lines: Lines) -> Wrong:
    dash, _, encoded = lines.signature.rpartition(b" ")
    key, signature = base64.b64decode(encoded)[:4], base64.b64decode(encoded)[4:]

    def signed(content: bytes) -> bytes:
        return lines.but(signature=dash + b" " + base64.b64encode(content))

    return {
        "of another origin": (lines.but(origin=b"x" + lines.origin), "LOG_ORIGIN_OTHER"),
        "with an empty origin": (lines.but(origin=b""), NOTE),
        "with another size": (lines.but(size=b"8"), FORGED, NOT_IN),
        "with a zero before the size": (lines.but(size=b"07"), NOTE),
        "with another root": (lines.but(root=ZERO), NOT_IN),
        "with a root that is no hash": (lines.but(root=b"AAAA"), NOTE),
        "with one more line that nobody signed": (lines.but(root=lines.root + b"\nmore"), FORGED),
        "with a signature of another name": (
            lines.but(signature=lines.signature.replace(b"vect", b"Vect")),
            UNKNOWN,
        ),
        "with a signature of another key": (signed(bytes(4) + signature), UNKNOWN),
        "with a signature of zeros": (signed(key + bytes(64)), FORGED),
        "with a signature cut short": (signed(key + signature[:-1]), FORGED, NOTE),
        "with a signature of nothing": (signed(key), NOTE),
        "with an empty signature": (lines.but(signature=dash + b" "), NOTE),
        "with a signature without a dash": (lines.but(signature=lines.signature[4:]), NOTE),
    }


def of_lines(good: bytes) -> Wrong:
    body = good.rpartition("\n\N{EM DASH}".encode())[0]
    return {
        "with CRLF": (good.replace(b"\n", b"\r\n"), BAD, NOTE),
        "without a signature": (body, BAD, NOTE),
        "with no newline at its end": (good[:-1], NOTE),
        "with a line behind it": (good + b"more\n", NOTE),
        "with an empty line before it": (b"\n" + good, BAD),
        "that is empty": (b"", BAD, NOTE),
    }
