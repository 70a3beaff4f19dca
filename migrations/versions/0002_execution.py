"""Fair order of tasks; guards of the state machine in the database.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep with a job where it came from, for logs and traces."""
    op.add_column("jobs", sa.Column("request_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("traceparent", sa.Text(), nullable=True))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("jobs", "traceparent")
    op.drop_column("jobs", "request_id")
