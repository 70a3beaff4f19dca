"""Create the files that jobs make, and name the batch that a job's completion has made.

Revision: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_artifacts",
        sa.Column(
            "job_id",
            sa.Text,
            sa.ForeignKey("jobs.id", ondelete="CASCADE", name="fk_job_artifacts_job_id_jobs"),
            nullable=False,
        ),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("environment_id", sa.Text, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_job_artifacts"),
    )
    op.execute("SELECT isolate_tables()")
    op.execute("GRANT SELECT, DELETE ON job_artifacts TO affidavit_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON job_artifacts TO affidavit_system")
    op.add_column("jobs", sa.Column("child_batch_id", sa.Text))


def downgrade() -> None:
    op.drop_column("jobs", "child_batch_id")
    op.drop_table("job_artifacts")
