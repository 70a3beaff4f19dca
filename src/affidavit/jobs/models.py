"""Tables of jobs, their tasks and their events.

No foreign keys to environments or documents: every insert would lock the one hot row that all
submissions share. A document's row outlives the jobs that use it (deletion leaves a tombstone).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
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
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base

Timestamp = TIMESTAMP(timezone=True)


class Job(Base):
    """One submission. The row is the queue, the truth and the receipt of what was promised."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_environment_id_id", "environment_id", "id"),
        Index("ix_jobs_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index(
            "ix_jobs_result_expires_at",
            "result_expires_at",
            postgresql_where=text("result_expires_at IS NOT NULL AND purged_at IS NULL"),
        ),
        Index(
            "ix_jobs_completed_at",  # jobs that ended without a result, but may keep their source
            "completed_at",
            postgresql_where=text(
                "completed_at IS NOT NULL AND result_expires_at IS NULL AND purged_at IS NULL"
            ),
        ),
        Index(
            "ix_jobs_batches",
            "id",
            postgresql_where=text("kind = 'batch' AND status = 'processing'"),
        ),
        Index(
            "ix_jobs_deadline_at",
            "deadline_at",
            postgresql_where=text("status IN ('queued', 'processing')"),
        ),
        Index("ix_jobs_document_id", "document_id"),
        Index(
            "ix_jobs_unstored",  # jobs with store=false that ended, and have not been forgotten yet
            "completed_at",
            postgresql_where=text("NOT store AND completed_at IS NOT NULL AND purged_at IS NULL"),
        ),
        Index(
            "ix_jobs_purged",  # jobs that keep nothing but their row, until that goes too
            "completed_at",
            postgresql_where=text("purged_at IS NOT NULL AND NOT legal_hold"),
        ),
        Index("ix_jobs_legal_hold", "document_id", postgresql_where=text("legal_hold")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text, server_default="job")
    operation: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    position: Mapped[int | None] = mapped_column(Integer)
    retry_of: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    store: Mapped[bool] = mapped_column(Boolean, server_default=true())

    # What to do. The password is the only secret of a spec, and it is sealed apart from it. Not
    # jsonb, which forgets the order of a schema's properties: the data comes back in that order.
    spec: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    source: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    document_id: Mapped[str | None] = mapped_column(Text)
    sealed_password: Mapped[bytes | None] = mapped_column(LargeBinary)
    metadata_: Mapped[dict[str, str]] = mapped_column("metadata", JSONB, server_default="{}")
    # Who is told of its end: see the trigger of migration 0003. The secret, if it brought one, is sealed.
    webhook_url: Mapped[str | None] = mapped_column(Text)
    sealed_webhook_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    dialect: Mapped[str] = mapped_column(Text, server_default="native")
    dialect_context: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")

    # Where it came from, for logs and traces: the id of the request, and a W3C traceparent.
    request_id: Mapped[str | None] = mapped_column(Text)
    traceparent: Mapped[str | None] = mapped_column(Text)

    # How far it is. Written a few times a second at most.
    percent: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    stage: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    media_type: Mapped[str | None] = mapped_column(Text)
    page_count: Mapped[int | None] = mapped_column(Integer)
    pages_total: Mapped[int | None] = mapped_column(Integer)
    pages_done: Mapped[int] = mapped_column(Integer, server_default="0")
    pages_failed: Mapped[int] = mapped_column(Integer, server_default="0")
    event_seq: Mapped[int] = mapped_column(Integer, server_default="0")

    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    completed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deadline_at: Mapped[datetime | None] = mapped_column(Timestamp)

    # What came of it.
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    result_sha256: Mapped[str | None] = mapped_column(Text)
    result_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    result_expires_at: Mapped[datetime | None] = mapped_column(Timestamp)
    purged_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)
    deleted_by: Mapped[str | None] = mapped_column(Text)
    purged: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    legal_hold: Mapped[bool] = mapped_column(Boolean, server_default=false())
    child_batch_id: Mapped[str | None] = mapped_column(Text)  # the jobs that its completion has made
    bundle_id: Mapped[str | None] = mapped_column(Text)
    manifest_sha256: Mapped[str | None] = mapped_column(Text)
    review: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class Task(Base):
    """What a worker claims, leases and is fenced by.

    `attempt` rises with every claim and is the fence; `failures` and `crashes` are the two
    budgets: retryable errors, and leases that died. `pages` is NULL until the document was
    opened, and stays so for a document that fits one batch. `pages_done` counts those of this task
    that are there, `pages_read` those that any of its attempts had to read: the work that was paid.
    """

    __tablename__ = "job_tasks"
    __table_args__ = (
        UniqueConstraint("job_id", "n"),
        Index(
            "ix_job_tasks_due",
            "environment_id",
            text("(- priority)"),  # all ascending, so that a place in the queue is one comparison of rows
            "vstart",
            "created_at",
            "id",
            postgresql_where=text("status = 'queued'"),
        ),
        Index("ix_job_tasks_leased", "lease_until", postgresql_where=text("status = 'running'")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    environment_id: Mapped[str] = mapped_column(Text)
    n: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    vstart: Mapped[int] = mapped_column(BigInteger, server_default="0")  # see `order`
    pages: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    pages_done: Mapped[int] = mapped_column(Integer, server_default="0")
    pages_read: Mapped[int] = mapped_column(Integer, server_default="0")
    failed_pages: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    crashes: Mapped[int] = mapped_column(Integer, server_default="0")
    lease_until: Mapped[datetime | None] = mapped_column(Timestamp)
    lease_owner: Mapped[str | None] = mapped_column(Text)
    renewed_at: Mapped[datetime | None] = mapped_column(Timestamp)  # the lease, by claim or heartbeat
    run_after: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    rung_at: Mapped[datetime | None] = mapped_column(Timestamp)
    rings: Mapped[int] = mapped_column(Integer, server_default="0")
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(Timestamp)
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)


class JobArtifact(Base):
    """A file that a job made, beside its result; `n` is its place among them. The job owns the blob."""

    __tablename__ = "job_artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    n: Mapped[int] = mapped_column(Integer)
    media_type: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())


class QueueShare(Base):
    """How much of the workers an environment has had; see `order`. No row: nothing yet.

    `served` counts pages, and is the clock of `vstart`. `vtime` is the virtual time at which the
    environment's next task starts, `tag` that at which its latest one did. An operator may set `weight`,
    and `max_running` tasks at once.
    """

    __tablename__ = "queue_shares"
    __table_args__ = (Index(None, "tag"), CheckConstraint("weight > 0", name="weight"))

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    served: Mapped[int] = mapped_column(BigInteger, server_default="0")
    vtime: Mapped[float] = mapped_column(Double, server_default="0")
    tag: Mapped[float] = mapped_column(Double, server_default="0")
    weight: Mapped[float] = mapped_column(Double, server_default="1")
    max_running: Mapped[int | None] = mapped_column(Integer)


class JobEvent(Base):
    """One transition of a job, append-only; `seq` counts from 1 within the job."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
