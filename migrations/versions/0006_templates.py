"""Create the templates of environments and their versions.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("environment_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "name", name=op.f("pk_templates")),
        sa.UniqueConstraint("id", name=op.f("uq_templates_id")),
    )
    op.create_table(
        "template_versions",
        sa.Column("environment_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("description", sa.Text, server_default="", nullable=False),
        sa.Column("schema", postgresql.JSON, nullable=False),
        sa.Column("options", postgresql.JSONB, server_default="{}", nullable=False),
        sa.Column("review", postgresql.JSONB, nullable=True),
        sa.Column("created_at", TIME, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "name", "version", name=op.f("pk_template_versions")),
        sa.ForeignKeyConstraint(
            ["environment_id", "name"],
            ["templates.environment_id", "templates.name"],
            name=op.f("fk_template_versions_templates"),
            ondelete="CASCADE",
        ),
    )
    op.execute("SELECT isolate_tables()")
    # A version is never changed, and goes only with its template, which the foreign key sees to.
    op.execute("GRANT SELECT, INSERT, UPDATE (version), DELETE ON templates TO affidavit_app")
    op.execute("GRANT SELECT, INSERT ON template_versions TO affidavit_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON templates, template_versions TO affidavit_system")


def downgrade() -> None:
    op.drop_table("template_versions")
    op.drop_table("templates")
