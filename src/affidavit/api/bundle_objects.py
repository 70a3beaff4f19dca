"""The objects of /v1/bundles, and how they are rendered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from affidavit.api.objects import Answer
from affidavit.bundle.report import Status
from affidavit.evidence.events import BundleEventType
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.receipts import Issued
from affidavit.evidence.service import BundleDetail
from affidavit.evidence.views import BundlePage, BundleView, EventPage, EventView
from affidavit.jobs.inspecting import Verified


class BundleSummary(Answer):
    """A bundle in a list."""

    id: str
    job_id: str
    operation: str
    parent_id: Annotated[str | None, Field(description="The bundle that this one follows.")]
    relation: Annotated[
        Literal["review", "rerun"] | None,
        Field(description="How it follows: as what a person made of it, or as the same done again."),
    ]
    status: Annotated[
        Literal["sealed", "logged", "deleted"], Field(description="It is logged seconds after it was sealed.")
    ]
    sealed_at: datetime
    manifest_sha256: Annotated[
        str, Field(description="Names the whole content: the SHA-256 of the manifest.")
    ]
    merkle_root: Annotated[str, Field(description="Over the chunks of the text (RFC 6962, SHA-256).")]
    chunk_count: int
    source_sha256: Annotated[str | None, Field(description="Null when the source was not one file.")]
    artifact_count: int
    size_bytes: Annotated[int, Field(description="Of all files, as they stand in the bundle.")]
    signing_key_id: Annotated[str, Field(description="A key of /v1/keys/signing.")]
    log_index: Annotated[int | None, Field(description="Its place in the log, from 0; null before.")]
    timestamped_at: Annotated[
        datetime | None, Field(description="As the timestamp authority says; null without a token.")
    ]
    timestamp_error: Annotated[str | None, Field(description="Why there is no token yet.")]
    legal_hold: bool
    deleted_at: datetime | None
    deleted_by: Annotated[str | None, Field(description="The key; null when its time was over.")]


class BundleArtifact(Answer):
    """A file of a bundle."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class BundleFollower(Answer):
    """A bundle that follows this one."""

    id: str
    relation: Literal["review", "rerun"]
    sealed_at: datetime
    deleted_at: datetime | None


class BundleObject(BundleSummary):
    """A bundle: what was sealed, and what follows it."""

    artifacts: list[BundleArtifact]
    followed_by: Annotated[list[BundleFollower], Field(description="Oldest first, a hundred at most.")]


class BundleList(Answer):
    """A page of bundles, newest first."""

    items: list[BundleSummary]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class BundleEvent(Answer):
    """Something that happened to a bundle."""

    seq: Annotated[int, Field(description="Counts from 1 within the bundle; none is left out.")]
    id: str
    type: BundleEventType
    at: datetime
    key_id: Annotated[str | None, Field(description="The API key; null when the service did it.")]
    agent_id: Annotated[str | None, Field(description="Whom the caller acted for, as it said itself.")]
    detail: dict[str, Any]
    receipt_id: Annotated[str | None, Field(description="Of the signed receipt, where there is one.")]


class BundleHistory(Answer):
    """What happened to a bundle, oldest first."""

    items: list[BundleEvent]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class BundleCheck(Answer):
    """One thing that was looked at."""

    name: Annotated[str, Field(examples=["signature"])]
    status: Status
    code: Annotated[str | None, Field(description="Why, in a word; docs/bundle-format.md lists them.")]
    entry: Annotated[str | None, Field(description="The file or the citation that it is about.")]
    detail: str


class BundleVerification(Answer):
    """What a verification found."""

    bundle_id: str
    manifest_sha256: str
    mode: Literal["full", "quick"]
    verdict: Annotated[
        Status,
        Field(description="`not_checked`: nothing is wrong, and something that could be checked was not."),
    ]
    damaged: Annotated[
        list[str], Field(description="The files and citations that a failed check is about, each once.")
    ]
    checks: list[BundleCheck]
    not_proven: Annotated[list[str], Field(description="What even a verification that passed does not show.")]
    verified_at: datetime
    receipt_id: Annotated[str, Field(description="Anyone who knows it can check it: /v1/receipts/{id}.")]


class BundleCitation(Answer):
    """The words on a page that a value came from, as they stand in the bundle."""

    id: Annotated[str, Field(description="c1, c2, ... in extraction.json; r1, r2, ... in reviewed.json.")]
    artifact: str
    pointer: Annotated[str, Field(description="Where it stands there: a JSON Pointer.")]
    field: Annotated[str | None, Field(description="The path of the value, when it is one of `fields`.")]
    page: int
    box: list[float]
    words: list[str]
    range: list[int] | None
    quote: str
    match: str | None


class BundleCitations(Answer):
    """A page of the citations of a bundle, in the order of the extraction."""

    bundle_id: str
    manifest_sha256: str
    total: int
    items: list[BundleCitation]
    next_after: Annotated[str | None, Field(description="Give it as `after`; null on the last page.")]


class CitedWord(Answer):
    """A word that is cited, as it stands in its chunk."""

    id: str
    text: str
    page: int
    box: list[float]


class ChunkProof(Answer):
    """A chunk of the text and the proof that it was sealed.

    SHA-256 of a zero byte and `line` is `leaf_hash`; with the hashes of `proof` it leads to the root.
    """

    index: Annotated[int, Field(description="Its place among the chunks, from 0.")]
    line: Annotated[str, Field(description="The line of chunks.ndjson.")]
    leaf_hash: str
    proof: list[str]


class ChunkTree(Answer):
    """The Merkle tree over the chunks; the root stands in the signed manifest."""

    algorithm: Literal["rfc6962-sha256"]
    size: int
    root: str


class CitationVerification(Answer):
    """A citation that was held against the text, and all that is needed to do so again."""

    bundle_id: str
    manifest_sha256: str
    citation: BundleCitation
    checks: list[BundleCheck]
    words: list[CitedWord]
    chunks: Annotated[list[ChunkProof], Field(description="Those that hold the cited words.")]
    tree: ChunkTree


class CitedPlace(Answer):
    """Where a value was found."""

    page: int | None
    box: list[float] | None
    words: list[str] | None
    quote: str | None


class FieldState(Answer):
    """A value and where it was found."""

    value: Any
    citations: list[CitedPlace]


class FieldChange(Answer):
    """A field that differs: added, removed, changed, or the same value found in another place."""

    path: str
    change: Literal["added", "removed", "changed", "moved"]
    before: FieldState | None
    after: FieldState | None


class MemberChange(Answer):
    """Something else in the extraction that differs, by its JSON Pointer."""

    pointer: str
    change: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class BundleDiff(Answer):
    """What changed from one bundle of a chain to another."""

    bundle_id: str
    manifest_sha256: str
    against: Annotated[str, Field(description="The bundle that `before` is of.")]
    relation: Annotated[
        Literal["review", "rerun"] | None,
        Field(description="Null when the one does not follow the other at once."),
    ]
    same_source: Annotated[bool, Field(description="Whether both were made of the same bytes.")]
    same_text: Annotated[bool, Field(description="Whether the text of the document came out the same.")]
    fields: list[FieldChange]
    members: Annotated[
        list[MemberChange], Field(description="All that is no field; `usage` and `review` are left out.")
    ]
    unchanged_fields: int
    truncated: Annotated[bool, Field(description="Whether there were more than 10,000 changes.")]


def render_verification(verified: Verified, mode: Literal["full", "quick"], issued: Issued) -> dict[str, Any]:
    """Return what a verification found, with its receipt."""
    return {
        "bundle_id": verified.view.id,
        "manifest_sha256": verified.view.manifest_sha256,
        "mode": mode,
        "verdict": verified.verdict,
        "damaged": verified.damaged,
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "code": check.code,
                "entry": check.entry,
                "detail": check.detail,
            }
            for check in verified.checks
        ],
        "not_proven": verified.not_proven,
        "verified_at": issued.receipt.created_at,
        "receipt_id": issued.receipt.id,
    }


def render_bundle(detail: BundleDetail) -> dict[str, Any]:
    """Return the bundle object."""
    return {
        **_summary(detail.view),
        "artifacts": [_artifact(artifact) for artifact in detail.artifacts],
        "followed_by": [
            {
                "id": each.id,
                "relation": each.relation,
                "sealed_at": each.sealed_at,
                "deleted_at": each.deleted_at,
            }
            for each in detail.followers
        ],
    }


def render_bundles(page: BundlePage) -> dict[str, Any]:
    """Return a page of bundles, without their files."""
    return {"items": [_summary(view) for view in page.items], "next_cursor": page.next_cursor}


def render_history(page: EventPage) -> dict[str, Any]:
    """Return a page of a bundle's events."""
    return {"items": [render_event(event) for event in page.items], "next_cursor": page.next_cursor}


def _summary(view: BundleView) -> dict[str, Any]:
    return {
        "id": view.id,
        "job_id": view.job_id,
        "operation": view.operation,
        "parent_id": view.parent_id,
        "relation": view.relation,
        "status": _status(view),
        "sealed_at": view.sealed_at,
        "manifest_sha256": view.manifest_sha256,
        "merkle_root": view.merkle_root,
        "chunk_count": view.chunk_count,
        "source_sha256": view.source_sha256,
        "artifact_count": view.artifact_count,
        "size_bytes": view.size_bytes,
        "signing_key_id": view.signing_key_id,
        "log_index": view.log_index,
        "timestamped_at": view.timestamped_at,
        "timestamp_error": view.timestamp_error,
        "legal_hold": view.legal_hold,
        "deleted_at": view.deleted_at,
        "deleted_by": view.deleted_by,
    }


def _status(view: BundleView) -> str:
    if view.deleted_at is not None:
        return "deleted"
    return "sealed" if view.log_index is None else "logged"


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "media_type": artifact.media_type,
        "size_bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
    }


def render_event(event: EventView) -> dict[str, Any]:
    """Return an event."""
    return {
        "seq": event.seq,
        "id": event.id,
        "type": event.type,
        "at": event.at,
        "key_id": event.key_id,
        "agent_id": event.agent_id,
        "detail": event.detail,
        "receipt_id": event.receipt_id,
    }
