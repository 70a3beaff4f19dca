"""Create the reviews of jobs: what a person is to look at, and what was done about it.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("environment_id", sa.Text, nullable=False),
        sa.Column("threshold", sa.SmallInteger, nullable=False),
        sa.Column("flagged", postgresql.JSONB, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.Column("machine_sha256", sa.Text, nullable=False),
        sa.Column("machine_size_bytes", sa.BigInteger, nullable=False),
        sa.Column("reading_key", sa.Text, nullable=False),
        sa.Column("opened_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_reviews_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_reviews")),
    )
    op.create_table(
        "review_actions",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("environment_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("corrections", postgresql.JSONB, nullable=False),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["reviews.job_id"], name=op.f("fk_review_actions_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "version", name=op.f("pk_review_actions")),
    )
    op.execute("SELECT isolate_tables()")
    op.execute("GRANT SELECT, UPDATE ON reviews TO affidavit_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON review_actions TO affidavit_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON reviews, review_actions TO affidavit_system")


def downgrade() -> None:
    op.drop_table("review_actions")
    op.drop_table("reviews")
