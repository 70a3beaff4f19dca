"""Tables of documents, of their pages as read, and of the references to blobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, Integer, Text, false, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
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
