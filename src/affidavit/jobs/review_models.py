"""Tables of reviews: one row for what is to be looked at, one for each thing that a person did about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, SmallInteger, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base
from affidavit.jobs.models import Timestamp


class Review(Base):
    """What the machine made of a document that a person is to look at; the job owns the blob.

    `version` rises with everything that a person does: who acts says which one was seen.
    """

    __tablename__ = "reviews"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    threshold: Mapped[int] = mapped_column(SmallInteger)
    flagged: Mapped[list[str]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    machine_sha256: Mapped[str] = mapped_column(Text)
    machine_size_bytes: Mapped[int] = mapped_column(BigInteger)
    reading_key: Mapped[str] = mapped_column(Text)  # finds the pages that corrections are cited from
    opened_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class ReviewAction(Base):
    """One thing that a person did, append-only; `version` is the review's after it."""

    __tablename__ = "review_actions"

    job_id: Mapped[str] = mapped_column(ForeignKey("reviews.job_id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(Text)
    reviewer: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    corrections: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
