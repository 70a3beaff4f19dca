"""What is said of the log over the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from affidavit.api.objects import Answer
from affidavit.bundle.merkle import leaf_hash
from affidavit.evidence.published_log import Consistency, Inclusion


class LogInclusion(Answer):
    """The proof that an entry stands in the log (RFC 6962, section 2.1.1). Hashes are in hex."""

    index: int
    size: int
    entry: Annotated[str, Field(description="32 bytes.")]
    leaf_hash: Annotated[str, Field(description="SHA-256 over a zero byte and the entry.")]
    root: Annotated[str, Field(description="Of the tree of that size.")]
    hashes: Annotated[list[str], Field(description="From the leaf's sibling up to the root's child.")]


class LogConsistency(Answer):
    """The proof that the log only grew between two sizes (RFC 6962, section 2.1.2). Hashes are in hex."""

    first: int
    second: int
    first_root: str
    second_root: str
    hashes: list[str]


def render_inclusion(found: Inclusion) -> dict[str, Any]:
    """Return the proof of an entry."""
    return {
        "index": found.index,
        "size": found.size,
        "entry": found.entry.hex(),
        "leaf_hash": leaf_hash(found.entry).hex(),
        "root": found.root.hex(),
        "hashes": [each.hex() for each in found.hashes],
    }


def render_consistency(found: Consistency) -> dict[str, Any]:
    """Return the proof of growth."""
    return {
        "first": found.old,
        "second": found.new,
        "first_root": found.old_root.hex(),
        "second_root": found.new_root.hex(),
        "hashes": [each.hex() for each in found.hashes],
    }
