"""Spell the manifest of a bundle: what was sealed, of what, by which engine, with the hash of every file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from affidavit.bundle.canonical import canonical

FORMAT: Final = "affidavit-bundle/1"
ALGORITHM: Final = "rfc6962-sha256"
CHUNKS: Final = "chunks.ndjson"


class Encoding(StrEnum):
    """How the bytes of an artifact lie in their blob."""

    IDENTITY = "identity"
    ZSTD = "zstd"


class Relation(StrEnum):
    """How a bundle follows another."""

    REVIEW = "review"
    RERUN = "rerun"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a bundle: hashes and size of its bytes, and the blob that they lie in."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    crc32: int
    blob_sha256: str
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Parent:
    """The bundle that another one follows."""

    bundle_id: str
    manifest_sha256: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The document as it came. `url` is without a query."""

    name: str | None
    url: str | None
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages by their numbers, as ranges such as `1-3,7`: read, and among those without an image."""

    total: int
    included: str
    failed: Sequence[int] = ()
    without_image: str = ""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The Merkle tree over the lines of `chunks.ndjson`: how many they are, and its root in hex."""

    count: int
    root: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that is sealed. `options` and `engine` are JSON without floats; artifacts are in their order."""

    bundle_id: str
    environment_id: str
    job_id: str
    operation: str
    attempt: int
    parent: Parent | None
    submitted_at: datetime
    sealed_at: datetime
    source: SourceFile | None
    pages: Pages
    options: Mapping[str, Any]
    engine: Mapping[str, Any]
    chunks: Chunks
    artifacts: Sequence[Artifact]
    log_origin: str

    @property
    def size_bytes(self) -> int:
        """Return the size of all artifacts."""
        return sum(artifact.size_bytes for artifact in self.artifacts)


def manifest(contents: Contents) -> bytes:
    """Return the bytes of the manifest, RFC 8785. Raises ValueError for what has no such form."""
    return canonical(
        {
            "format": FORMAT,
            "bundle_id": contents.bundle_id,
            "job_id": contents.job_id,
            "operation": contents.operation,
            "attempt": contents.attempt,
            "parent": None if contents.parent is None else _parent(contents.parent),
            "times": {"submitted_at": moment(contents.submitted_at), "sealed_at": moment(contents.sealed_at)},
            "source": None if contents.source is None else _source(contents.source),
            "pages": _pages(contents.pages),
            "options": dict(contents.options),
            "engine": dict(contents.engine),
            "chunks": _chunks(contents.chunks),
            "artifacts": [_artifact(artifact) for artifact in contents.artifacts],
            "log": {"origin": contents.log_origin},
        }
    )


def moment(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC with six decimals."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _parent(parent: Parent) -> dict[str, object]:
    return {
        "bundle_id": parent.bundle_id,
        "manifest_sha256": parent.manifest_sha256,
        "relation": parent.relation.value,
    }


def _source(source: SourceFile) -> dict[str, object]:
    return {
        "name": source.name,
        "url": source.url,
        "media_type": source.media_type,
        "size": source.size_bytes,
        "sha256": source.sha256,
    }


def _pages(pages: Pages) -> dict[str, object]:
    return {
        "total": pages.total,
        "included": pages.included,
        "failed": list(pages.failed),
        "without_image": pages.without_image,
    }


def _chunks(chunks: Chunks) -> dict[str, object]:
    return {"artifact": CHUNKS, "algorithm": ALGORITHM, "count": chunks.count, "root": chunks.root}


def _artifact(artifact: Artifact) -> dict[str, object]:
    return {
        "name": artifact.name,
        "media_type": artifact.media_type,
        "size": artifact.size_bytes,
        "sha256": artifact.sha256,
    }
