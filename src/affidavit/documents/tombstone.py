"""What a deletion leaves: which blobs were given up, by kind, digest and size. Nothing of what they said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What it was: a blob, or a bundle by the digest of its manifest and the bytes of its artifacts."""

    RESULT = "result"
    ARTIFACT = "artifact"
    SOURCE = "source"
    PAGE = "page"
    PAGE_IMAGE = "page_image"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Purged:
    """A blob that was given up, or a bundle. Size in bytes, of a blob as stored."""

    kind: Kind
    sha256: str
    size_bytes: int


def tally(purged: Iterable[Purged]) -> list[dict[str, Any]]:
    """Return one entry for each kind, in the order of `Kind`: how many, how many bytes, which digests."""
    found = set(purged)
    return [_entry(kind, [each for each in found if each.kind is kind]) for kind in Kind if _has(kind, found)]


def _has(kind: Kind, purged: Iterable[Purged]) -> bool:
    return any(each.kind is kind for each in purged)


def _entry(kind: Kind, purged: list[Purged]) -> dict[str, Any]:
    return {
        "kind": kind,
        "count": len(purged),
        "size_bytes": sum(each.size_bytes for each in purged),
        "sha256": sorted(each.sha256 for each in purged),
    }
