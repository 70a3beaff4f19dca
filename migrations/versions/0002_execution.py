"""Fair order of tasks; guards of the state machine in the database.

The guards say again what `jobs/status.py` says, for whoever comes past it. Each is a trigger whose WHEN
is judged without calling a function, so that a row that moves as it should costs next to nothing.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DUE = "ix_job_tasks_due"
QUEUED = sa.text("status = 'queued'")

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % of % is refused', TG_NAME, TG_OP, TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
"""

GUARDS = {
    "jobs": {
        "jobs_begin_queued": """BEFORE INSERT ON jobs FOR EACH ROW
            WHEN (NEW.status <> 'queued' AND NOT (NEW.kind = 'batch' AND NEW.status = 'processing'))""",
        "jobs_move_as_designed": """BEFORE UPDATE OF status ON jobs FOR EACH ROW
            WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
                ('queued', 'processing'), ('queued', 'canceled'), ('queued', 'failed'),
                ('processing', 'completed'), ('processing', 'failed'), ('processing', 'review_required'),
                ('processing', 'canceled'),
                ('review_required', 'completed'), ('review_required', 'failed'),
                ('review_required', 'canceled')))""",
        "jobs_stay_as_they_ended": """BEFORE UPDATE OF result_sha256, result_size_bytes, error, completed_at
            ON jobs FOR EACH ROW
            WHEN (OLD.status IN ('completed', 'failed', 'canceled') AND (
                OLD.result_sha256 IS DISTINCT FROM NEW.result_sha256
                OR OLD.result_size_bytes IS DISTINCT FROM NEW.result_size_bytes
                OR OLD.error ->> 'code' IS DISTINCT FROM NEW.error ->> 'code'
                -- What a purge takes away is the text of an error, not what it was.
                OR (OLD.error IS DISTINCT FROM NEW.error AND NEW.purged_at IS NULL)
                OR OLD.completed_at IS DISTINCT FROM NEW.completed_at))""",
    },
    "job_tasks": {
        "job_tasks_move_as_designed": """BEFORE UPDATE OF status ON job_tasks FOR EACH ROW
            WHEN (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
                ('queued', 'running'), ('queued', 'canceled'),
                ('running', 'done'), ('running', 'failed'), ('running', 'canceled'), ('running', 'queued')))
            """,
        "job_tasks_attempt_rises": """BEFORE UPDATE OF attempt ON job_tasks FOR EACH ROW
            WHEN (NEW.attempt < OLD.attempt)""",
    },
    "job_events": {
        "job_events_are_kept": "BEFORE UPDATE ON job_events FOR EACH ROW",
        # Two deep is the cascade of a job that is deleted, one deep is somebody's own DELETE.
        "job_events_go_with_their_job": """BEFORE DELETE ON job_events FOR EACH ROW
            WHEN (pg_trigger_depth() < 1)""",
    },
}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("request_id", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("traceparent", sa.Text(), nullable=True))
    op.create_table(
        "queue_shares",
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("served", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("vtime", sa.Double(), server_default="0", nullable=False),
        sa.Column("tag", sa.Double(), server_default="0", nullable=False),
        sa.Column("weight", sa.Double(), server_default="1", nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.CheckConstraint("weight > 0", name=op.f("ck_queue_shares_weight")),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("pk_queue_shares")),
    )
    op.create_index(op.f("ix_queue_shares_tag"), "queue_shares", ["tag"], unique=False)
    op.add_column("job_tasks", sa.Column("vstart", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("job_tasks", sa.Column("renewed_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.drop_index(DUE, table_name="job_tasks")
    columns = ["environment_id", sa.literal_column("(- priority)"), "vstart", "created_at", "id"]
    op.create_index(DUE, "job_tasks", columns, unique=False, postgresql_where=QUEUED)
    op.execute(REFUSE)
    for guards in GUARDS.values():
        for name, when in guards.items():
            op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION refuse_change()")


def downgrade() -> None:
    for table, guards in GUARDS.items():
        for name in guards:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_index(DUE, table_name="job_tasks")
    columns = [sa.literal_column("(- priority)"), "created_at", "id"]
    op.create_index(DUE, "job_tasks", columns, unique=False, postgresql_where=QUEUED)
    op.drop_column("job_tasks", "renewed_at")
    op.drop_column("job_tasks", "vstart")
    op.drop_index(op.f("ix_queue_shares_tag"), table_name="queue_shares")
    op.drop_table("queue_shares")
    op.drop_column("jobs", "traceparent")
    op.drop_column("jobs", "request_id")
