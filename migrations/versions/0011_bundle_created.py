"""Owe a webhook for every bundle that is sealed, and keep the CRC-32 of page images, which a ZIP names.

As with jobs, the trigger is what no path of the code can forget: whoever inserts a bundle owes its
deliveries in the same transaction.

Revision: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# As in migration 0003, and what a job has sealed beside.
PAYLOAD = """
CREATE OR REPLACE FUNCTION webhook_payload(event_type text, at timestamptz, sequence integer, state text, j jobs)
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
                'bundle_id', j.bundle_id,{SEALED}
                'metadata', labels,
                'links', json_build_object(
                    'job', '/v1/jobs/' || j.id,
                    'result', CASE WHEN j.result_sha256 IS NOT NULL
                        THEN '/v1/jobs/' || j.id || '/result' END{LINK})))::text;
        EXIT WHEN labels IS NULL OR octet_length(body) < 20000;
        labels := NULL;
    END LOOP;
    RETURN convert_to(body, 'UTF8');
END $$
"""
SEALED = """
                'manifest_sha256', j.manifest_sha256,"""
LINK = """,
                    'bundle', CASE WHEN j.bundle_id IS NOT NULL THEN '/v1/bundles/' || j.bundle_id END"""

# The payload is that of the job as this transaction leaves it, with the bundle that it is about.
OWE = """
CREATE FUNCTION webhook_owe_bundle() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    j jobs;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoints w WHERE w.environment_id = NEW.environment_id
        AND w.status = 'enabled' AND w.deleted_at IS NULL AND 'bundle.created' = ANY (w.events))
    THEN
        RETURN NULL;
    END IF;
    SELECT * INTO j FROM jobs WHERE id = NEW.job_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    j.bundle_id := NEW.id;
    j.manifest_sha256 := NEW.manifest_sha256;
    INSERT INTO webhook_deliveries (id, environment_id, lane, endpoint_id, job_id, message_id,
        event_type, sequence, payload)
    SELECT webhook_new_id('dlv'), NEW.environment_id, w.id, w.id, NEW.job_id,
        'msg_' || split_part(NEW.id, '_', 2), 'bundle.created', j.event_seq,
        webhook_payload('bundle.created', NEW.sealed_at, j.event_seq, j.status, j)
    FROM webhook_endpoints w
    WHERE w.environment_id = NEW.environment_id AND w.status = 'enabled' AND w.deleted_at IS NULL
      AND 'bundle.created' = ANY (w.events);
    RETURN NULL;
END $$
"""

OWE_TRIGGER = """
CREATE TRIGGER webhook_owe_bundle AFTER INSERT ON bundles FOR EACH ROW EXECUTE FUNCTION webhook_owe_bundle()
"""


def upgrade() -> None:
    op.add_column("page_checkpoints", sa.Column("image_crc32", sa.BigInteger(), nullable=True))
    op.execute(PAYLOAD.replace("{SEALED}", SEALED).replace("{LINK}", LINK))
    op.execute(OWE)
    op.execute(OWE_TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER webhook_owe_bundle ON bundles")
    op.execute("DROP FUNCTION webhook_owe_bundle()")
    op.execute(PAYLOAD.replace("{SEALED}", "").replace("{LINK}", ""))
    op.drop_column("page_checkpoints", "image_crc32")
