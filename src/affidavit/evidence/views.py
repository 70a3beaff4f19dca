"""Bundles as the outside sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from affidavit.evidence.manifest import Artifact


@dataclass(frozen=True, slots=True)
class BundleView:
    """A bundle without its content. `log_index` is None until it was logged."""

    id: str
    job_id: str
    parent_id: str | None
    relation: str | None
    operation: str
    sealed_at: datetime
    manifest_sha256: str
    merkle_root: str
    chunk_count: int
    source_sha256: str | None
    artifact_count: int
    size_bytes: int
    signing_key_id: str
    log_index: int | None
    timestamped_at: datetime | None
    timestamp_error: str | None
    legal_hold: bool
    deleted_at: datetime | None
    deleted_by: str | None


@dataclass(frozen=True, slots=True)
class Follower:
    """A bundle that follows another one; `relation` says how: review or rerun."""

    id: str
    relation: str
    sealed_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class SealedView:
    """A bundle that is there, with the bytes that were hashed and signed, and where its files lie."""

    view: BundleView
    manifest: bytes
    envelope: bytes
    timestamp_token: bytes | None
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened to a bundle; `seq` counts from 1."""

    seq: int
    id: str
    type: str
    at: datetime
    key_id: str | None
    agent_id: str | None
    detail: dict[str, Any]
    receipt_id: str | None


@dataclass(frozen=True, slots=True)
class BundlePage:
    """Bundles, newest first."""

    items: tuple[BundleView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events of a bundle, oldest first."""

    items: tuple[EventView, ...]
    next_cursor: str | None
