"""Create webhook endpoints, deliveries and attempts, and the triggers that owe a delivery for an event.

The triggers are what no path of the code can forget: whoever inserts into `job_events`, by whatever
statement, owes the deliveries in the same transaction, with the bytes that will be sent.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # as in infra/ids.py
TIME = " || ".join(f"substr(a, ((ms >> {shift}) & 31)::int + 1, 1)" for shift in range(45, -5, -5))
CHANCE = " || ".join(f"substr(a, (get_byte(r, {place}) & 31) + 1, 1)" for place in range(16))

# Sorts with the ids that infra/ids.py makes: 48 bits of milliseconds, then chance.
NEW_ID = f"""
CREATE FUNCTION webhook_new_id(prefix text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    a CONSTANT text := '{ALPHABET}';
    ms CONSTANT bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    r CONSTANT bytea := uuid_send(gen_random_uuid());
BEGIN
    RETURN prefix || '_' || {TIME} || {CHANCE};
END $$
"""

# Standard Webhooks asks for less than 20 kB; only the labels can make it more, and go without saying.
PAYLOAD = """
CREATE FUNCTION webhook_payload(event_type text, at timestamptz, sequence integer, state text, j jobs)
RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
    labels jsonb := j.metadata;
    body text;
BEGIN
    LOOP
        body := json_build_object(
            'type', event_type,
            'timestamp', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'data', json_build_object(
                'job_id', j.id,
                'operation', j.operation,
                'status', state,
                'sequence', sequence,
                'parent_id', j.parent_id,
                'retry_of', j.retry_of,
                'progress', CASE WHEN event_type = 'job.progress' THEN json_build_object(
                    'percent', j.percent, 'stage', j.stage, 'pages', json_build_object(
                        'total', j.pages_total, 'done', j.pages_done, 'failed', j.pages_failed)) END,
                'error', CASE WHEN j.error IS NOT NULL THEN json_build_object(
                    'code', j.error -> 'code', 'message', left(j.error ->> 'message', 1000),
                    'category', j.error -> 'category', 'phase', j.error -> 'phase',
                    'page', j.error -> 'page', 'retryable', j.error -> 'retryable') END,
                'result_sha256', j.result_sha256,
                'bundle_id', j.bundle_id,
                'metadata', labels,
                'links', json_build_object(
                    'job', '/v1/jobs/' || j.id,
                    'result', CASE WHEN j.result_sha256 IS NOT NULL
                        THEN '/v1/jobs/' || j.id || '/result' END)))::text;
        EXIT WHEN labels IS NULL OR octet_length(body) < 20000;
        labels := NULL;
    END LOOP;
    RETURN convert_to(body, 'UTF8');
END $$
"""

# A batch ends by an event of its own name. The webhook of a submission is told of ends only, and its
# lane is the origin that it names: that is what may be slow or dead. By row and not by statement: what is
# joined with a transition table is planned for a thousand rows, which reads the whole of `jobs` for one.
OWE = """
CREATE FUNCTION webhook_owe() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
    told text := NEW.type;
BEGIN
    IF NEW.type = 'job.queued' AND NOT EXISTS (
        SELECT FROM webhook_endpoints w WHERE w.environment_id = NEW.environment_id
            AND w.status = 'enabled' AND w.deleted_at IS NULL AND NEW.type = ANY (w.events))
    THEN
        RETURN NULL;
    END IF;
    SELECT * INTO STRICT j FROM jobs WHERE id = NEW.job_id;
    IF j.kind = 'batch' AND NEW.type = 'job.completed' THEN
        told := 'batch.completed';
    END IF;
    INSERT INTO webhook_deliveries (id, environment_id, lane, endpoint_id, job_id, message_id,
        event_type, sequence, url, sealed_secret, payload)
    SELECT webhook_new_id('dlv'), NEW.environment_id, target.lane, target.endpoint_id, NEW.job_id,
        'msg_' || split_part(NEW.job_id, '_', 2) || '_' || NEW.seq, told, NEW.seq, target.url, target.sealed,
        webhook_payload(told, NEW.created_at, NEW.seq, NEW.status, j)
    FROM (
        SELECT w.id AS lane, w.id AS endpoint_id, NULL::text AS url, NULL::bytea AS sealed
        FROM webhook_endpoints w
        WHERE w.environment_id = NEW.environment_id AND w.status = 'enabled' AND w.deleted_at IS NULL
          AND told = ANY (w.events)
        UNION ALL
        SELECT 'req_' || md5(j.environment_id || ' ' || lower(substring(j.webhook_url FROM '^[^:]+://[^/?#]+'))),
            NULL, j.webhook_url, j.sealed_webhook_secret
        WHERE j.webhook_url IS NOT NULL
          AND told IN ('job.completed', 'job.failed', 'job.canceled', 'batch.completed')
    ) AS target;
    RETURN NULL;
END $$
"""

# Progress that no sender has taken yet is replaced in place: a receiver that is slow misses steps, not news.
OWE_PROGRESS = """
CREATE FUNCTION webhook_owe_progress() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_deliveries (id, environment_id, lane, endpoint_id, job_id, message_id,
        event_type, sequence, payload)
    SELECT webhook_new_id('dlv'), NEW.environment_id, w.id, w.id, NEW.id,
        'msg_' || split_part(NEW.id, '_', 2) || '_' || NEW.event_seq || '_p'
            || floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        'job.progress', NEW.event_seq,
        webhook_payload('job.progress', clock_timestamp(), NEW.event_seq, NEW.status, NEW)
    FROM webhook_endpoints w
    WHERE w.environment_id = NEW.environment_id AND w.status = 'enabled' AND w.deleted_at IS NULL
      AND 'job.progress' = ANY (w.events)
    ON CONFLICT (job_id, lane)
        WHERE event_type = 'job.progress' AND status = 'pending' AND claims = 0 AND redelivery_of IS NULL
        DO UPDATE SET payload = EXCLUDED.payload, message_id = EXCLUDED.message_id,
            sequence = EXCLUDED.sequence;
    RETURN NULL;
END $$
"""

OWE_TRIGGER = """
CREATE TRIGGER webhook_owe AFTER INSERT ON job_events FOR EACH ROW
WHEN (NEW.type <> 'job.processing') EXECUTE FUNCTION webhook_owe()
"""

PROGRESS_TRIGGER = """
CREATE TRIGGER webhook_owe_progress AFTER UPDATE OF percent, stage ON jobs FOR EACH ROW
WHEN (NEW.kind = 'job' AND OLD.status = 'processing' AND NEW.status = 'processing'
    AND (NEW.percent, NEW.stage) IS DISTINCT FROM (OLD.percent, OLD.stage))
EXECUTE FUNCTION webhook_owe_progress()
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("webhook_url", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("sealed_webhook_secret", sa.LargeBinary(), nullable=True))
    _create_endpoints()
    _create_deliveries()
    for statement in (NEW_ID, PAYLOAD, OWE, OWE_PROGRESS, OWE_TRIGGER, PROGRESS_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER webhook_owe_progress ON jobs")
    op.execute("DROP TRIGGER webhook_owe ON job_events")
    op.execute("DROP FUNCTION webhook_owe_progress()")
    op.execute("DROP FUNCTION webhook_owe()")
    op.execute("DROP FUNCTION webhook_payload(text, timestamptz, integer, text, jobs)")
    op.execute("DROP FUNCTION webhook_new_id(text)")
    for table in (
        "webhook_lanes",
        "webhook_attempts",
        "webhook_deliveries",
        "webhook_secrets",
        "webhook_endpoints",
    ):
        op.drop_table(table)
    op.drop_column("jobs", "sealed_webhook_secret")
    op.drop_column("jobs", "webhook_url")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, postgresql.TIMESTAMP(timezone=True), server_default=default, nullable=nullable)


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="enabled", nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        _moment("disabled_at", nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        _moment("previous_until", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("deleted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_index("ix_webhook_endpoints_environment_id_id", "webhook_endpoints", ["environment_id", "id"])
    op.create_index(
        "ix_webhook_endpoints_previous_until",
        "webhook_endpoints",
        ["previous_until"],
        postgresql_where=sa.text("previous_until IS NOT NULL"),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        _moment("previous_until", nullable=True),
        _moment("created_at"),
        _moment("shown_at", nullable=True),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("pk_webhook_secrets")),
    )


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        _moment("due_at"),
        _moment("leased_until", nullable=True),
        sa.Column("last_status_code", sa.SmallInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("redelivery_of", sa.Text(), nullable=True),
        _moment("created_at"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    _index("environment_id_id", ["environment_id", "id"])
    _index("endpoint_id_id", ["endpoint_id", "id"])
    _index("job_id", ["job_id"], "job_id IS NOT NULL")
    _index("due", ["due_at"], "status = 'pending'")
    _index("lane", ["lane", "due_at"], "status = 'pending'")
    _index("leased", ["lane"], "leased_until IS NOT NULL")
    _index("ended_at", ["ended_at"], "ended_at IS NOT NULL")
    op.create_index(
        "uq_webhook_deliveries_progress",
        "webhook_deliveries",
        ["job_id", "lane"],
        unique=True,
        postgresql_where=sa.text(
            "event_type = 'job.progress' AND status = 'pending' AND claims = 0 AND redelivery_of IS NULL"
        ),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response_head", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("fk_webhook_attempts_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "n", name=op.f("pk_webhook_attempts")),
    )
    op.create_table(
        "webhook_lanes",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        _moment("failing_since"),
        _moment("open_until", nullable=True),
        _moment("updated_at"),
        sa.PrimaryKeyConstraint("lane", name=op.f("pk_webhook_lanes")),
    )
    op.create_index(op.f("ix_webhook_lanes_updated_at"), "webhook_lanes", ["updated_at"])


def _index(name: str, columns: list[str], where: str | None = None) -> None:
    op.create_index(
        f"ix_webhook_deliveries_{name}",
        "webhook_deliveries",
        columns,
        postgresql_where=None if where is None else sa.text(where),
    )
