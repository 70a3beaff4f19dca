"""Let keys that could read all that a bundle holds, or delete it, do so with the bundle itself.

A bundle holds a job's result, its document and the images of its pages: who may read those may read it.

Revision: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Each new scope, and the old ones that together allow as much.
GAINED = {
    "bundles:read": ["jobs:read", "files:read"],
    "bundles:write": ["jobs:write", "files:write", "jobs:read", "files:read"],
}


def upgrade() -> None:
    for scope, owned in GAINED.items():
        held = ", ".join(f"'{each}'" for each in owned)
        op.execute(
            "UPDATE api_keys SET scopes = "  # noqa: S608 - names of our own
            f"(SELECT array_agg(s ORDER BY s) FROM unnest(array_append(scopes, '{scope}')) AS s) "
            f"WHERE scopes @> ARRAY[{held}] AND NOT scopes @> ARRAY['{scope}']"
        )


def downgrade() -> None:
    op.execute(
        "UPDATE api_keys SET scopes = array_remove(array_remove(scopes, 'bundles:read'), 'bundles:write')"
    )
