"""Create the bundles of evidence, what happens to them, receipts, signing keys and the log.

What was sealed and what was logged stays as it is said: triggers refuse a change of either.

Revision: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = (
    "bundles",
    "bundle_artifacts",
    "bundle_events",
    "receipts",
    "signing_keys",
    "installation",
    "log_entries",
    "log_nodes",
    "log_checkpoints",
)

GUARDS = {
    # Its bytes may go, all at once, when it is deleted; they may never be others.
    "bundles_stay_as_sealed": """BEFORE UPDATE OF manifest, envelope, manifest_sha256, merkle_root, sealed_at
        ON bundles FOR EACH ROW
        WHEN ((NEW.manifest IS NOT NULL AND OLD.manifest IS DISTINCT FROM NEW.manifest)
            OR (NEW.envelope IS NOT NULL AND OLD.envelope IS DISTINCT FROM NEW.envelope)
            OR (NEW.manifest IS NULL AND NEW.deleted_at IS NULL)
            OR OLD.manifest_sha256 <> NEW.manifest_sha256 OR OLD.merkle_root <> NEW.merkle_root
            OR OLD.sealed_at <> NEW.sealed_at)""",
    "bundles_keep_their_place": """BEFORE UPDATE OF log_index, tombstone, tombstone_log_index, timestamp_token
        ON bundles FOR EACH ROW
        WHEN ((NEW.timestamp_token IS NOT NULL AND OLD.timestamp_token <> NEW.timestamp_token)
            OR (OLD.log_index IS NOT NULL AND OLD.log_index IS DISTINCT FROM NEW.log_index)
            OR (OLD.tombstone IS NOT NULL AND OLD.tombstone IS DISTINCT FROM NEW.tombstone)
            OR (OLD.tombstone_log_index IS NOT NULL
                AND OLD.tombstone_log_index IS DISTINCT FROM NEW.tombstone_log_index))""",
    # One that names an agent is emptied with its bundle: the name is the caller's word, and signed.
    "receipts_are_kept": """BEFORE UPDATE ON receipts FOR EACH ROW
        WHEN (NEW.envelope IS NOT NULL OR NEW.agent_id IS NOT NULL
            OR (OLD.id, OLD.environment_id, OLD.bundle_id, OLD.action, OLD.manifest_sha256,
                OLD.signing_key_id, OLD.created_at)
            IS DISTINCT FROM (NEW.id, NEW.environment_id, NEW.bundle_id, NEW.action, NEW.manifest_sha256,
                NEW.signing_key_id, NEW.created_at)
            OR OLD.key_id IS DISTINCT FROM NEW.key_id)""",
    "log_entries_are_kept": "BEFORE UPDATE OR DELETE ON log_entries FOR EACH ROW",
    "log_nodes_are_kept": "BEFORE UPDATE OR DELETE ON log_nodes FOR EACH ROW",
    "log_checkpoints_are_kept": "BEFORE UPDATE OR DELETE ON log_checkpoints FOR EACH ROW",
}

# The sequencer leaves no gap; whoever else writes into the log cannot either. Rows of one statement see
# those before them.
FOLLOW = """
CREATE FUNCTION refuse_gap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n > 0 AND NOT EXISTS (SELECT FROM log_entries e WHERE e.n = NEW.n - 1) THEN
        RAISE EXCEPTION '%: entry % follows none', TG_NAME, NEW.n USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    _create()
    for name, when in GUARDS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION refuse_change()")
    op.execute(FOLLOW)
    op.execute(
        "CREATE TRIGGER log_entries_follow BEFORE INSERT ON log_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_gap()"
    )
    op.execute("SELECT isolate_tables()")
    _grant()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_gap()")


def _grant() -> None:
    app = {
        "bundles": "SELECT, INSERT, UPDATE",
        "bundle_artifacts": "SELECT, INSERT, DELETE",
        "bundle_events": "SELECT, INSERT, UPDATE (detail, agent_id)",
        "receipts": "SELECT, INSERT, UPDATE (envelope, agent_id)",
        "signing_keys": "SELECT",
        "installation": "SELECT",
        "log_entries": "SELECT",
        "log_nodes": "SELECT",
        "log_checkpoints": "SELECT",
    }
    for table, verbs in app.items():
        op.execute(f"GRANT {verbs} ON {table} TO affidavit_app")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON bundles, bundle_artifacts, bundle_events, receipts, "
        "signing_keys TO affidavit_system"
    )
    op.execute(
        "GRANT SELECT, INSERT ON installation, log_entries, log_nodes, log_checkpoints TO affidavit_system"
    )


def _create() -> None:
    op.create_table(
        "bundles",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("relation", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("sealed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("merkle_root", sa.Text(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("source_sha256", sa.Text(), nullable=True),
        sa.Column("artifact_count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("signing_key_id", sa.Text(), nullable=False),
        sa.Column("event_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.Column("timestamp_token", sa.LargeBinary(), nullable=True),
        sa.Column("timestamped_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("timestamp_due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("timestamp_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("timestamp_error", sa.Text(), nullable=True),
        sa.Column("legal_hold", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.Text(), nullable=True),
        sa.Column("tombstone", sa.LargeBinary(), nullable=True),
        sa.Column("tombstone_sha256", sa.Text(), nullable=True),
        sa.Column("tombstone_log_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundles")),
        sa.UniqueConstraint("log_index", name=op.f("uq_bundles_log_index")),
        sa.UniqueConstraint("tombstone_log_index", name=op.f("uq_bundles_tombstone_log_index")),
    )
    op.create_index(op.f("ix_bundles_environment_id_id"), "bundles", ["environment_id", "id"], unique=False)
    op.create_index(
        op.f("ix_bundles_environment_id_job_id"), "bundles", ["environment_id", "job_id"], unique=False
    )
    op.create_index(
        "ix_bundles_kept",
        "bundles",
        ["sealed_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND NOT legal_hold"),
    )
    op.create_index(
        "ix_bundles_parent_id",
        "bundles",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_bundles_timestamp_due_at",
        "bundles",
        ["timestamp_due_at"],
        unique=False,
        postgresql_where=sa.text("timestamp_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_bundles_unlogged",
        "bundles",
        ["sealed_at", "id"],
        unique=False,
        postgresql_where=sa.text("log_index IS NULL"),
    )
    op.create_index(
        "ix_bundles_unlogged_tombstones",
        "bundles",
        ["deleted_at", "id"],
        unique=False,
        postgresql_where=sa.text("tombstone IS NOT NULL AND tombstone_log_index IS NULL"),
    )
    op.create_table(
        "bundle_artifacts",
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("blob_sha256", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundles.id"], name=op.f("fk_bundle_artifacts_bundle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bundle_id", "n", name=op.f("pk_bundle_artifacts")),
    )
    op.create_table(
        "bundle_events",
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundles.id"], name=op.f("fk_bundle_events_bundle_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bundle_id", "seq", name=op.f("pk_bundle_events")),
        sa.UniqueConstraint("id", name=op.f("uq_bundle_events_id")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("manifest_sha256", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("signing_key_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index(
        op.f("ix_receipts_bundle_id_created_at"), "receipts", ["bundle_id", "created_at"], unique=False
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("retired_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("log_origin", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "log_entries",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("n >= 0 AND octet_length(entry) = 32", name=op.f("ck_log_entries_hash")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_log_entries")),
    )
    op.create_index(op.f("ix_log_entries_entry"), "log_entries", ["entry"], unique=False)
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "n", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "created_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
    )
