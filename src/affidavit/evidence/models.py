"""Tables of bundles, their artifacts, what happened to them, receipts, signing keys and the log.

A bundle outlives the row of its job, so nothing here points at a job by a foreign key. Signing keys and
the log belong to the installation and to no environment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base

Timestamp = TIMESTAMP(timezone=True)


class Bundle(Base):
    """What a job sealed. `manifest` and `envelope` are the bytes that were hashed and signed.

    `parent_id` is the bundle that this one follows, and `relation` how: `review` or `rerun`. A deleted bundle
    has neither, and a `tombstone`, a DSSE envelope. `log_index` and `tombstone_log_index` are places in the
    log of the installation, NULL until the sequencer came by. `timestamp_due_at` is when to ask an authority
    (again).
    """

    __tablename__ = "bundles"
    __table_args__ = (
        Index(None, "environment_id", "id"),
        Index(None, "environment_id", "job_id"),
        Index("ix_bundles_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_bundles_unlogged", "sealed_at", "id", postgresql_where=text("log_index IS NULL")),
        Index(
            "ix_bundles_unlogged_tombstones",
            "deleted_at",
            "id",
            postgresql_where=text("tombstone IS NOT NULL AND tombstone_log_index IS NULL"),
        ),
        Index(
            "ix_bundles_timestamp_due_at",
            "timestamp_due_at",
            postgresql_where=text("timestamp_due_at IS NOT NULL"),
        ),
        Index("ix_bundles_kept", "sealed_at", postgresql_where=text("deleted_at IS NULL AND NOT legal_hold")),
        UniqueConstraint("log_index"),
        UniqueConstraint("tombstone_log_index"),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    job_id: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[str | None] = mapped_column(Text)
    relation: Mapped[str | None] = mapped_column(Text)
    operation: Mapped[str] = mapped_column(Text)
    sealed_at: Mapped[datetime] = mapped_column(Timestamp)
    manifest: Mapped[bytes | None] = mapped_column(LargeBinary)
    envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    manifest_sha256: Mapped[str] = mapped_column(Text)
    merkle_root: Mapped[str] = mapped_column(Text)
    chunk_count: Mapped[int] = mapped_column(Integer)
    source_sha256: Mapped[str | None] = mapped_column(Text)
    artifact_count: Mapped[int] = mapped_column(Integer)
    size_bytes: Mapped[int] = mapped_column(BigInteger)  # of all artifacts, as they stand in the bundle
    signing_key_id: Mapped[str] = mapped_column(Text)
    event_seq: Mapped[int] = mapped_column(Integer, server_default="0")

    log_index: Mapped[int | None] = mapped_column(BigInteger)
    timestamp_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    timestamped_at: Mapped[datetime | None] = mapped_column(Timestamp)  # as the authority says
    timestamp_due_at: Mapped[datetime | None] = mapped_column(Timestamp)
    timestamp_tries: Mapped[int] = mapped_column(Integer, server_default="0")
    timestamp_error: Mapped[str | None] = mapped_column(Text)

    legal_hold: Mapped[bool] = mapped_column(Boolean, server_default=false())
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deleted_by: Mapped[str | None] = mapped_column(Text)
    tombstone: Mapped[bytes | None] = mapped_column(LargeBinary)
    tombstone_sha256: Mapped[str | None] = mapped_column(Text)
    tombstone_log_index: Mapped[int | None] = mapped_column(BigInteger)


class BundleArtifact(Base):
    """A file of a bundle: `sha256`, `crc32` and `size_bytes` of its bytes, and where they lie.

    `blob_sha256` names the blob, which is referenced in the name of the bundle; `encoding` is how it is
    stored there, `identity` or `zstd`. `n` is its place in the bundle, from 1.
    """

    __tablename__ = "bundle_artifacts"

    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    crc32: Mapped[int] = mapped_column(BigInteger)
    blob_sha256: Mapped[str] = mapped_column(Text)
    encoding: Mapped[str] = mapped_column(Text)


class BundleEvent(Base):
    """What happened to a bundle, append-only; `seq` counts from 1 within the bundle.

    `key_id` is the API key that did it, NULL for the service itself; `agent_id` whom it acted for, as it
    says. Free text of callers lies in `detail` alone, which a deletion empties.
    """

    __tablename__ = "bundle_events"

    bundle_id: Mapped[str] = mapped_column(ForeignKey("bundles.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    id: Mapped[str] = mapped_column(Text, unique=True)  # prov_..., hand_... for hand-offs
    type: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(Text)
    agent_id: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    receipt_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Receipt(Base):
    """A signed statement that something was done with a bundle. Its id is a capability: 128 random bits.

    When its bundle is deleted, one that names an agent is left without the name and the `envelope`.
    """

    __tablename__ = "receipts"
    __table_args__ = (Index(None, "bundle_id", "created_at"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    bundle_id: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[str | None] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(Text)
    manifest_sha256: Mapped[str] = mapped_column(Text)
    envelope: Mapped[bytes | None] = mapped_column(LargeBinary)
    signing_key_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class SigningKey(Base):
    """The public half of a key that signs, published for ever. The private half never comes here."""

    __tablename__ = "signing_keys"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    retired_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Installation(Base):
    """One row: the name under which this installation keeps its log."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    log_origin: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class LogEntry(Base):
    """An entry of the log: 32 bytes, the SHA-256 of a manifest or of a tombstone's envelope."""

    __tablename__ = "log_entries"
    __table_args__ = (
        CheckConstraint("n >= 0 AND octet_length(entry) = 32", name="hash"),
        Index(None, "entry"),
    )

    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class LogNode(Base):
    """The hash of a complete subtree of the log: `2**level` leaves, the `n`-th of its level, from 0."""

    __tablename__ = "log_nodes"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class LogCheckpoint(Base):
    """A signed statement of how long the log was and what its root hash was."""

    __tablename__ = "log_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
