"""Tombstones of what was deleted, and the record of the scrub.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
TOMBSTONED = ("jobs", "documents")
INDEXES = (
    (
        "ix_jobs_unstored",
        "jobs",
        "completed_at",
        "NOT store AND completed_at IS NOT NULL AND purged_at IS NULL",
    ),
    ("ix_jobs_purged", "jobs", "completed_at", "purged_at IS NOT NULL AND NOT legal_hold"),
    ("ix_jobs_legal_hold", "jobs", "document_id", "legal_hold"),
    ("ix_documents_kept", "documents", "created_at", "deleted_at IS NULL AND NOT inline"),
    ("ix_documents_deleted_at", "documents", "deleted_at", "deleted_at IS NOT NULL"),
)


def upgrade() -> None:
    for table in TOMBSTONED:
        op.add_column(table, sa.Column("deleted_by", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("purged", postgresql.JSONB(none_as_null=True), nullable=True))
    for name, table, column, where in INDEXES:
        op.create_index(name, table, [column], postgresql_where=sa.text(where))
    op.create_table(
        "blob_scrubs",
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("found_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("checked_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "sha256", name=op.f("pk_blob_scrubs")),
    )
    op.create_table(
        "patrols",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("started_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("position", sa.Text(), server_default="", nullable=False),
        sa.Column("looked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_patrols")),
    )


def downgrade() -> None:
    op.drop_table("patrols")
    op.drop_table("blob_scrubs")
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table_name=table)
    for table in TOMBSTONED:
        op.drop_column(table, "purged")
        op.drop_column(table, "deleted_by")
