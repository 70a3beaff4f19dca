"""Tables of webhooks: endpoints, deliveries, attempts, and what is known of each lane.

No foreign keys to jobs or environments, as in `jobs.models`: the inserts share no hot row.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, SmallInteger, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base

Timestamp = TIMESTAMP(timezone=True)


class Endpoint(Base):
    """Where an environment wants to be told. Deletion leaves the row, for the log of deliveries."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index("ix_webhook_endpoints_environment_id_id", "environment_id", "id"),
        Index(
            "ix_webhook_endpoints_previous_until",
            "previous_until",
            postgresql_where=text("previous_until IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[str] = mapped_column(Text, server_default="enabled")
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None] = mapped_column(Timestamp)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(Timestamp)


class DefaultSecret(Base):
    """The secret of an environment that signs what goes to the `webhook` of submissions."""

    __tablename__ = "webhook_secrets"

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    shown_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Delivery(Base):
    """One event owed to one receiver. `payload` is what is sent, byte for byte, at every attempt.

    A leased delivery is pending with `due_at` at the end of its lease: if its sender dies, it is due
    again. `claims` rises with every lease and is the fence; `attempts` counts those that were seen
    to end. Without an endpoint it goes to `url`, the `webhook` of a submission.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_environment_id_id", "environment_id", "id"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
        Index("ix_webhook_deliveries_due", "due_at", postgresql_where=text("status = 'pending'")),
        Index("ix_webhook_deliveries_lane", "lane", "due_at", postgresql_where=text("status = 'pending'")),
        Index("ix_webhook_deliveries_leased", "lane", postgresql_where=text("leased_until IS NOT NULL")),
        Index("ix_webhook_deliveries_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index(
            "uq_webhook_deliveries_progress",  # progress that nobody has seen yet is replaced, not repeated
            "job_id",
            "lane",
            unique=True,
            postgresql_where=text(
                "event_type = 'job.progress' AND status = 'pending' AND claims = 0 AND redelivery_of IS NULL"
            ),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text)
    endpoint_id: Mapped[str | None] = mapped_column(Text)
    job_id: Mapped[str | None] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(Text)
    event_type: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int | None] = mapped_column(Integer)
    url: Mapped[str | None] = mapped_column(Text)
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(Text, server_default="pending")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    claims: Mapped[int] = mapped_column(Integer, server_default="0")
    due_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    leased_until: Mapped[datetime | None] = mapped_column(Timestamp)
    last_status_code: Mapped[int | None] = mapped_column(SmallInteger)
    last_error: Mapped[str | None] = mapped_column(Text)
    redelivery_of: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    ended_at: Mapped[datetime | None] = mapped_column(Timestamp)


class Attempt(Base):
    """One POST and what came of it. `response_head` is at most 1 KiB of the answer's body."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[str] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[int] = mapped_column(Integer, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Timestamp)
    latency_ms: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str | None] = mapped_column(Text)
    response_head: Mapped[str | None] = mapped_column(Text)


class Lane(Base):
    """A receiver that fails: an endpoint, or an origin that submissions name. Its circuit breaker.

    The row is there from the first failed attempt to the next success; `failures` counts between.
    """

    __tablename__ = "webhook_lanes"

    lane: Mapped[str] = mapped_column(Text, primary_key=True)
    environment_id: Mapped[str] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(Integer)
    failing_since: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    open_until: Mapped[datetime | None] = mapped_column(Timestamp)
    updated_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now(), index=True)
