"""Tables of documents, of their pages as read, and of the references to blobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Index, Integer, Text, false, func, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base

Timestamp = TIMESTAMP(timezone=True)


class Document(Base):
    """A file as it came: uploaded, sent with a submission, or fetched from a URL.

    `inline` ones came with a submission and go when nothing needs them any more.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Index(None, "environment_id", "id"),
        Index(None, "environment_id", "sha256"),
        Index(
            "ix_documents_kept",
            "created_at",
            postgresql_where=text("deleted_at IS NULL AND NOT inline"),
        ),
        Index("ix_documents_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    filename: Mapped[str | None] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    inline: Mapped[bool] = mapped_column(Boolean, server_default=false())
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deleted_by: Mapped[str | None] = mapped_column(Text)
    purged: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))


class PageCheckpoint(Base):
    """A page that was read: the result of one engine, version and set of reading options.

    The key leaves out schema and password, so any later question about the same bytes reuses it.
    """

    __tablename__ = "page_checkpoints"
    __table_args__ = (Index(None, "created_at"),)

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    document_sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    reading_key: Mapped[str] = mapped_column(Text, primary_key=True)
    page: Mapped[int] = mapped_column(Integer, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(Text)
    image_sha256: Mapped[str | None] = mapped_column(Text)
    image_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    image_width: Mapped[int | None] = mapped_column(Integer)
    image_height: Mapped[int | None] = mapped_column(Integer)
    image_crc32: Mapped[int | None] = mapped_column(BigInteger)  # NULL where read before it was counted
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class BlobRef(Base):
    """Who needs a blob. Written in the owner's transaction; a blob without one may be collected.

    `owner` is a document id, a job id, or `pages:<document sha256>:<reading key>`.
    """

    __tablename__ = "blob_refs"
    __table_args__ = (Index(None, "environment_id", "owner"),)

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class BlobGarbage(Base):
    """A blob that lost its last reference, and when; the sweep erases it after a grace."""

    __tablename__ = "blob_garbage"

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    erase_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now(), index=True)


class BlobScrub(Base):
    """A blob that the scrub found damaged or missing. What is sound has no row."""

    __tablename__ = "blob_scrubs"

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    checked_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class Patrol(Base):
    """A walk over all blobs that one worker at a time makes: whose turn it is, and how far it came.

    It belongs to no environment. `position` is the last blob that was looked at, as `environment/sha256`.
    """

    __tablename__ = "patrols"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)
    lease_owner: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)
    position: Mapped[str] = mapped_column(Text, server_default="")
    looked_at: Mapped[int] = mapped_column(BigInteger, server_default="0")
    size_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
