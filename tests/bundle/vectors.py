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
from tests.bundle.broken import Broken, all_broken
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
# Of those that were changed without the key, by the names of the mutations.
CHANGED = {
    "flip-source": "source/invoice.txt with a bit in its middle flipped",
    "flip-text": "document.md with its last bit flipped",
    "flip-image": "pages/0001.webp with its first bit flipped",
    "flip-manifest": "manifest.json with a bit in its middle flipped",
    "short-request": "request.json with its end cut",
    "missing-request": "request.json missing",
    "missing-envelope": "manifest.dsse.json missing",
    "extra-file": "files/extra.bin extra behind the core",
    "extra-proof": "proofs/other.txt extra at the end",
    "twice": "document.md twice",
    "twice-in-capitals": "document.md again in capitals",
    "swapped": "document.md and the next swapped",
    "name-going-up": "one more with a name going up",
    "name-absolute": "one more with a name absolute",
    "name-backslash": "one more with a name with a backslash",
    "name-nul": "one more with a name with a NUL",
    "name-utf8": "one more with a name that looks the same",
    "prefix": "bytes before it",
    "suffix": "one byte behind it",
    "comment": "a comment",
    "gap": "a gap before entry 3",
    "zip64": "ZIP64 records and places",
    "hidden-file": "a file that is not in the directory",
    "directory-reordered": "a directory in another order",
    "truncated": "60 bytes cut from its end",
    "encrypted-flag": "flags 1 in both of entry 3",
    "compressed": "entry 3 compressed",
    "data-descriptor": "entry 3 described behind",
    "crc": "crc 1 in both of entry 3",
    "extra-field": "extra b'\\x01\\x00\\x04\\x00abcd' in local of entry 3",
    "dated": "date 23073 in both of entry 3",
    "local-name": "name b'document.mD' in local of entry 3",
    "envelope-spaced": "an envelope with spaces in it",
    "envelope-two-signatures": "an envelope with a stranger's signature behind",
    "envelope-no-signature": "an envelope with an empty list of signatures",
    "envelope-base64": "an envelope with other base64 of the same sig",
    "envelope-by-a-stranger": "an envelope signed by a stranger",
    "envelope-sig-of-another-type": "an envelope with a sig over another type",
    "envelope-sig-plus-order": "an envelope with the order of the group added to the sig",
    "envelope-other-time": "an envelope with another predicate",
    "proof-index": "a log proof with the next index",
    "proof-root": "a log proof with another root",
    "proof-signature": "a log proof with a signature of zeros",
    "proof-hash-more": "a log proof with a hash more",
}


@dataclass(frozen=True)
class Vector:
    """A file, and what `affidavit verify` says of it with these keys. `failed` is what it must name first."""

    file: str
    data: bytes
    exit: int = 0
    failed: dict[str, str | None] | None = None
    keys: str | None = "keys.json"
    authority: str | None = None

    def expected(self) -> dict[str, Any]:
        said: dict[str, Any] = {"file": self.file, "sha256": sha256(self.data), "exit": self.exit}
        return said | {"failed": self.failed, "keys": self.keys, "authority": self.authority}
