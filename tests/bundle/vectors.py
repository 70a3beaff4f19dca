"""The vectors that are shipped in docs/vectors: files, and what a verifier has to say of each.

`python -m tests.bundle.vectors` writes them again. All but the timestamp and its authority come out the same
each time; those are made anew when the envelope that was stamped has changed.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rfc8785

from tests.bundle import specimens
from tests.bundle.broken import all_broken
from tests.bundle.making import (
    KEY,
    SEALED_AT,
    STRANGER,
    Draft,
    draft,
    envelope,
    key_id,
    logged,
    pem,
    private_key,
    sha256,
    statement,
)
from tests.bundle.mutations import all_mutations
from tests.evidence.authority import Authority, openssl

FOLDER = Path(__file__).parent.parent.parent / "docs" / "vectors"
TOKEN, ROOTS = "timestamp.tsr", "authority.pem"
TIMESTAMP = "proofs/timestamp.tsr"
RETIRED = private_key("vectors, retired")
NEXT = private_key("vectors, the next")

SOUND = {
    "plain": specimens.plain,
    "log-proof": specimens.with_log_proof,
    "log-proof-first-entry": specimens.alone_in_the_log,
    "pages": specimens.many_pages,
    "non-ascii": specimens.non_ascii,
    "blank": specimens.nothing_read,
    "files": specimens.with_files,
    "reviewed": specimens.reviewed,
    "rejected": specimens.rejected,
    "rerun": specimens.rerun,
    "next-key": specimens.signed_by_the_next_key,
}
# Of the bundles that are signed and wrong: at least one a rule.
SIGNED_AND_WRONG = (
    *("manifest-spaced", "manifest-key-twice", "manifest-float", "manifest-surrogate", "manifest-deep"),
    *("manifest-other-format", "manifest-more-members", "manifest-time-zone", "manifest-without-chunks"),
    *("list-two-sources", "list-other-order", "list-without-request.json", "source-of-another-hash"),
    *("statement-spaced", "statement-two-subjects", "statement-other-manifest", "statement-of-a-tombstone"),
    *("statement-other-bundle", "statement-other-time", "statement-predicate-more"),
    *("chunks-root", "chunks-root-of-reordered", "chunks-count", "chunks-no-newline-at-end", "chunks-text"),
    *("chunks-range-past-the-end", "chunks-more-members", "chunks-key-twice", "chunks-range-true"),
    *("citation-quote", "citation-words-reordered", "citation-word-unknown", "citation-page", "citation-box"),
    *("citation-range", "citation-range-past-the-end", "citation-page-true", "citation-of-a-review"),
    *("extraction-key-twice", "extraction-nan", "extraction-list", "text-not-utf8", "text-moved"),
    *("proof-of-another-bundle", "proof-of-another-log", "proof-by-a-stranger"),
)
# Of those that were changed without the key: the reason against them, and which mutation it is.
CHANGED = {
    "flip-source": ("HASH_WRONG", "source/invoice.txt with a bit in its middle flipped"),
    "flip-text": ("HASH_WRONG", "document.md with its last bit flipped"),
    "same-crc": ("HASH_WRONG", "document.md with other bytes of the same CRC-32"),
    "flip-image": ("HASH_WRONG", "pages/0001.webp with its first bit flipped"),
    "flip-manifest": ("MANIFEST_INVALID", "manifest.json with a bit in its middle flipped"),
    "short-request": ("SIZE_WRONG", "request.json with its end cut"),
    "missing-request": ("ENTRY_MISSING", "request.json missing"),
    "missing-envelope": ("ENTRY_MISSING", "manifest.dsse.json missing"),
    "extra-file": ("ENTRY_EXTRA", "files/extra.bin extra behind the core"),
    "extra-proof": ("ENTRY_EXTRA", "proofs/other.txt extra at the end"),
    "twice": ("NAME_DUPLICATE", "document.md twice"),
    "twice-in-capitals": ("NAME_DUPLICATE", "document.md again in capitals"),
    "swapped": ("ENTRY_ORDER", "document.md and the next swapped"),
    "name-going-up": ("NAME_INVALID", "one more with a name going up"),
    "name-absolute": ("NAME_INVALID", "one more with a name absolute"),
    "name-backslash": ("NAME_INVALID", "one more with a name with a backslash"),
    "name-nul": ("NAME_INVALID", "one more with a name with a NUL"),
    "name-utf8": ("NAME_INVALID", "one more with a name that looks the same"),
    "prefix": ("SIZE_WRONG", "bytes before it"),
    "suffix": ("END_WRONG", "one byte behind it"),
    "comment": ("END_WRONG", "a comment"),
    "gap": ("SIZE_WRONG", "a gap before entry 3"),
    "zip64": ("SIZE_WRONG", "ZIP64 records and places"),
    "hidden-file": ("DIRECTORY_WRONG", "a file that is not in the directory"),
    "directory-reordered": ("DIRECTORY_WRONG", "a directory in another order"),
    "truncated": ("END_WRONG", "60 bytes cut from its end"),
    "encrypted-flag": ("DIRECTORY_WRONG", "flags 1 in both of entry 3"),
    "compressed": ("SIZE_WRONG", "entry 3 compressed"),
    "data-descriptor": ("SIZE_WRONG", "entry 3 described behind"),
    "crc": ("CRC_WRONG", "crc 1 in both of entry 3"),
    "extra-field": ("SIZE_WRONG", "extra b'\\x01\\x00\\x04\\x00abcd' in local of entry 3"),
    "dated": ("DIRECTORY_WRONG", "date 23073 in both of entry 3"),
    "local-name": ("HEADER_WRONG", "name b'document.mD' in local of entry 3"),
    "envelope-spaced": ("ENVELOPE_INVALID", "an envelope with spaces in it"),
    "envelope-two-signatures": ("ENVELOPE_INVALID", "an envelope with a stranger's signature behind"),
    "envelope-no-signature": ("ENVELOPE_INVALID", "an envelope with an empty list of signatures"),
    "envelope-base64": ("ENVELOPE_INVALID", "an envelope with other base64 of the same sig"),
    "envelope-by-a-stranger": ("KEY_UNKNOWN", "an envelope signed by a stranger"),
    "envelope-sig-of-another-type": ("SIGNATURE_INVALID", "an envelope with a sig over another type"),
    "envelope-sig-plus-order": (
        "SIGNATURE_INVALID",
        "an envelope with the order of the group added to the sig",
    ),
    "envelope-other-time": ("SIGNATURE_INVALID", "an envelope with another predicate"),
    "proof-index": ("LOG_ENTRY_NOT_INCLUDED", "a log proof with the next index"),
    "proof-root": ("LOG_ENTRY_NOT_INCLUDED", "a log proof with another root"),
    "proof-signature": ("CHECKPOINT_SIGNATURE_INVALID", "a log proof with a signature of zeros"),
    "proof-hash-more": ("LOG_ENTRY_NOT_INCLUDED", "a log proof with a hash more"),
}


@dataclass(frozen=True)
class Vector:
    """A file, and what `affidavit verify` says of it with these keys and this authority.

    `code` is among the reasons against it, about `entry` if that is given.
    """

    file: str
    data: bytes
    exit: int = 0
    code: str | None = None
    entry: str | None = None
    keys: str | None = "keys.json"
    authority: str | None = None

    def expected(self) -> dict[str, Any]:
        about = {"exit": self.exit, "code": self.code, "entry": self.entry}
        return {"file": self.file, **about, "keys": self.keys, "authority": self.authority}


def all_vectors(token: bytes) -> Iterator[Vector]:
    """Yield all vectors. `token` is the timestamp of the envelope of `stamped()`."""
    for name, make in SOUND.items():
        yield Vector(f"{name}.zip", make().zip())
    yield from sound_and_not_all_checked()
    yield from with_timestamps(token)
    yield from statements()
    retired = replace(draft(specimens.INVOICE, specimens.EXTRACTION, name="retired"), signer=RETIRED)
    yield wrong("key-retired-before", retired.zip(), "KEY_NOT_VALID_THEN", "manifest.dsse.json")
    yield wrong("bit-rot", bit_rot(), "CRC_WRONG", "source/invoice.txt")
    yield Vector("broken/not-a-bundle.zip", b"%PDF-1.7\n", 2)
    broken = all_broken()
    for name in SIGNED_AND_WRONG:
        yield wrong(name, broken[name].data, broken[name].code, broken[name].entry)
    mutations = {mutation.name: mutation for mutation in all_mutations(specimens.with_log_proof())}
    for name, (code, which) in CHANGED.items():
        assert code in mutations[which].codes, name
        yield wrong(name, mutations[which].data, code, mutations[which].entry)


def wrong(name: str, data: bytes, code: str, entry: str | None = None, **given: Any) -> Vector:
    return Vector(f"broken/{name}.zip", data, 1, code, entry, **given)


def sound_and_not_all_checked() -> Iterator[Vector]:
    plain = specimens.plain().zip()
    yield Vector("without-a-key.zip", plain, 3, "NO_KEY", keys=None)
    yield wrong("with-another-key", plain, "KEY_UNKNOWN", "manifest.dsse.json", keys="stranger.pem")


def stamped() -> Draft:
    return logged(draft(specimens.INVOICE, specimens.EXTRACTION, name="stamped", images=1))


def with_timestamps(token: bytes) -> Iterator[Vector]:
    right = stamped()
    other = draft(specimens.INVOICE, specimens.EXTRACTION, name="stamped_too")
    middle = len(token) - 10
    flipped = token[:middle] + bytes([token[middle] ^ 1]) + token[middle + 1 :]
    yield Vector("timestamp.zip", with_token(right, token), authority=ROOTS)
    yield Vector("timestamp-without-authority.zip", with_token(right, token), 3, "NO_AUTHORITY")
    code = "TIMESTAMP_OF_OTHER_BYTES"
    yield wrong("timestamp-of-another", with_token(other, token), code, TIMESTAMP, authority=ROOTS)
    code = "TIMESTAMP_NOT_VOUCHED"
    yield wrong("timestamp-forged", with_token(right, flipped), code, TIMESTAMP, authority=ROOTS)
    yield wrong(
        "timestamp-cut", with_token(right, token[:-1]), "TIMESTAMP_MALFORMED", TIMESTAMP, authority=ROOTS
    )


def with_token(made: Draft, token: bytes) -> bytes:
    return replace(made, proofs={**made.proofs, TIMESTAMP: token}).zip()


def statements() -> Iterator[Vector]:
    """Yield statements that stand alone: tombstones and receipts."""
    plain = specimens.plain()
    about = sha256(plain.manifest_bytes())
    told = {name: plain.manifest[name] for name in ("bundle_id", "job_id", "operation", "parent")}
    tombstone = told | {
        "sealed_at": SEALED_AT,
        "deleted_at": "2026-02-01T00:00:00.000000Z",
        "reason": "requested",
        "deleted_by": "key_vector",
        "artifacts": {"count": 7, "size_bytes": 2500},
    }
    receipt = {
        "bundle_id": told["bundle_id"],
        "receipt_id": "rcpt_vector",
        "action": "verify",
        "issued_at": "2026-01-05T00:00:00.000000Z",
        "key_id": "key_vector",
        "agent_id": None,
    }
    buried = rfc8785.dumps(statement("urn:affidavit:tombstone:1", about, tombstone))
    received = rfc8785.dumps(statement("urn:affidavit:receipt:1", about, receipt))
    unsigned = json.loads(envelope(buried, KEY))
    changed = base64.b64encode(buried.replace(b"requested", b"expired")).decode()
    yield Vector("tombstone.json", envelope(buried, KEY))
    yield Vector("receipt.json", envelope(received, NEXT))
    yield Vector(
        "broken/tombstone-changed.json",
        rfc8785.dumps(unsigned | {"payload": changed}),
        1,
        "SIGNATURE_INVALID",
    )
    yield Vector("broken/tombstone-by-a-stranger.json", envelope(buried, STRANGER), 1, "KEY_UNKNOWN")
    yield Vector("broken/receipt-by-a-retired-key.json", envelope(received, RETIRED), 1, "KEY_NOT_VALID_THEN")
    yield Vector("broken/envelope-of-a-bundle.json", plain.envelope(), 1, "PREDICATE_WRONG")
    yield Vector("broken/statement-that-is-none.json", b"{}", 1, "ENVELOPE_INVALID")


def bit_rot() -> bytes:
    """Return a bundle in which one bit of the source turned over, and nothing was made to fit."""
    good = specimens.plain().zip()
    at = good.index(b"Ink & Quill")
    return good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]


def keys() -> bytes:
    """Return the keys as `/v1/keys/signing` publishes them; one of them is retired."""
    times = {KEY: None, NEXT: None, RETIRED: "2026-01-01T00:00:00.000000Z"}
    published = [
        {
            "key_id": key_id(key),
            "algorithm": "Ed25519",
            "pem": pem(key).decode(),
            "created_at": "2025-12-01T00:00:00.000000Z",
            "retired_at": retired_at,
        }
        for key, retired_at in times.items()
    ]
    return json.dumps({"keys": published}, indent=2).encode() + b"\n"


def files(token: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the folder that follows from the code, and the timestamp."""
    vectors = list(all_vectors(token))
    yield from ((vector.file, vector.data) for vector in vectors)
    yield "keys.json", keys()
    yield "key.pem", pem(KEY)
    yield "stranger.pem", pem(STRANGER)
    expected = [json.dumps(vector.expected()) for vector in vectors]
    yield "vectors.json", b"[\n" + ",\n".join(expected).encode() + b"\n]\n"


def write(folder: Path = FOLDER) -> None:
    (folder / "broken").mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.zip"), *folder.glob("broken/*")):
        old.unlink()
    for name, data in files(renewed(folder)):
        (folder / name).write_bytes(data)


def renewed(folder: Path) -> bytes:
    """Return the token that is there, or one of a new authority if it is not of the envelope any more."""
    known = folder / "timestamp.sha256"
    wanted = f"{sha256(stamped().envelope())}  manifest.dsse.json\n"
    if known.exists() and known.read_text() == wanted:
        return (folder / TOKEN).read_bytes()
    with tempfile.TemporaryDirectory() as made:
        authority = Authority(Path(made))
        authority.make(days=36_500)
        (authority.folder / "data").write_bytes(stamped().envelope())
        asked = openssl("ts", "-query", "-data", authority.folder / "data", "-sha256", "-cert", "-no_nonce")
        (folder / TOKEN).write_bytes(authority.grant(asked))
        (folder / ROOTS).write_bytes(authority.ca_file.read_bytes())
    known.write_text(wanted)
    return (folder / TOKEN).read_bytes()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
