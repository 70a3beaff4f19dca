"""What the service answers about bundles. New members of later servers are kept, not refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from affidavit.client.models import Artifact, Citation, Loose


class BundleFollower(Loose):
    """A bundle that follows another one, as a review of it or as the same done again."""

    id: str
    relation: str
    sealed_at: datetime
    deleted_at: datetime | None = None


class Bundle(Loose):
    """What a job sealed. In a list without its files and what follows it."""

    id: str
    job_id: str
    operation: str
    status: str
    parent_id: str | None = None
    relation: str | None = None
    sealed_at: datetime
    manifest_sha256: str
    merkle_root: str
    chunk_count: int
    source_sha256: str | None = None
    artifact_count: int
    size_bytes: int
    signing_key_id: str
    log_index: int | None = None
    timestamped_at: datetime | None = None
    legal_hold: bool = False
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    artifacts: list[Artifact] = Field(default_factory=list)
    followed_by: list[BundleFollower] = Field(default_factory=list)


class BundlePage(Loose):
    items: list[Bundle]
    next_cursor: str | None = None


class Check(Loose):
    """One thing that was looked at: `status` is passed, failed or not_checked."""

    name: str
    status: str
    code: str | None = None
    entry: str | None = None
    detail: str = ""


class Verification(Loose):
    """What a verification found. `damaged` names the files and citations that do not hold."""

    bundle_id: str
    manifest_sha256: str
    mode: str
    verdict: str
    damaged: list[str] = Field(default_factory=list)
    checks: list[Check] = Field(default_factory=list)
    not_proven: list[str] = Field(default_factory=list)
    verified_at: datetime
    receipt_id: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether no check failed; a quick verification does not make all of them."""
        return self.verdict != "failed"


class BundleCitation(Citation):
    """A citation as it stands in a bundle; `id` is c1, c2, ... or r1, r2, ... of what a review made."""

    id: str
    artifact: str
    pointer: str
    field: str | None = None
    words: list[str] = Field(default_factory=list)
    range: tuple[int, int] | None = None


class CitationPage(Loose):
    items: list[BundleCitation]
    total: int
    next_after: str | None = None


class ChunkProof(Loose):
    """A line of chunks.ndjson and the hashes that lead from it to the signed root."""

    index: int
    line: str
    leaf_hash: str
    proof: list[str]


class CitationVerification(Loose):
    """A citation that was held against the text, with the proof that the text was sealed."""

    bundle_id: str
    manifest_sha256: str
    citation: BundleCitation
    checks: list[Check]
    chunks: list[ChunkProof]
    tree: dict[str, Any]


class FieldChange(Loose):
    """A field that differs: added, removed, changed, or moved to another place with the same value."""

    path: str
    change: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class BundleDiff(Loose):
    """What changed from the bundle `against` to this one."""

    bundle_id: str
    against: str
    relation: str | None = None
    same_source: bool
    same_text: bool
    fields: list[FieldChange] = Field(default_factory=list)
    members: list[dict[str, Any]] = Field(default_factory=list)
    unchanged_fields: int = 0


class BundleEvent(Loose):
    """Something that happened to a bundle; `seq` counts from 1 within it."""

    seq: int
    id: str
    type: str
    at: datetime
    key_id: str | None = None
    agent_id: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)
    receipt_id: str | None = None


class BundleHistory(Loose):
    items: list[BundleEvent]
    next_cursor: str | None = None


class HandOff(Loose):
    """A bundle that went from one agent to another."""

    id: str
    bundle_id: str
    from_agent: str | None = None
    to_agent: str | None = None
    note: str | None = None
    at: datetime
    receipt_id: str | None = None


class Receipt(Loose):
    """A receipt as the service sees it; `valid` and `claims` only when it was checked."""

    id: str
    bundle_id: str
    action: str
    manifest_sha256: str
    signing_key_id: str
    issued_at: datetime
    agent_id: str | None = None
    key_id: str | None = None
    valid: bool | None = None
    claims: dict[str, str] = Field(default_factory=dict)


class ReceiptPage(Loose):
    items: list[Receipt]
    next_cursor: str | None = None


class HandOffPage(Loose):
    items: list[HandOff]
    next_cursor: str | None = None
