"""Roles and forced row-level security on every table of an environment.

Revision: 0005
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APP: Final = "affidavit_app"  # acts for one environment
SYSTEM: Final = "affidavit_system"  # acts for none: claims, reaps, sends, sweeps, looks up keys

# What the API does to a table when it acts for an environment. A table that is not named here is the
# system's alone, so whoever adds one has to think of it.
APP_MAY: Final = {
    "blob_garbage": "SELECT, INSERT, UPDATE",
    "blob_refs": "SELECT, INSERT, DELETE",
    "documents": "SELECT, INSERT, UPDATE",
    "idempotency_keys": "SELECT, INSERT",
    "job_events": "SELECT, INSERT",
    "job_tasks": "SELECT, INSERT, UPDATE",
    "jobs": "SELECT, INSERT, UPDATE",
    "page_checkpoints": "SELECT, DELETE",
    "queue_shares": "SELECT",
    "usage_records": "SELECT",
    "webhook_attempts": "SELECT, UPDATE (response_head)",
    "webhook_deliveries": "SELECT, INSERT, UPDATE",
    "webhook_endpoints": "SELECT, INSERT, UPDATE",
    "webhook_lanes": "SELECT, DELETE",
    "webhook_secrets": "SELECT, INSERT, UPDATE",
}
# What has happened stays as it is said; it goes with its job, which the foreign key sees to.
SYSTEM_MAY_NOT: Final = {"job_events": "UPDATE, DELETE"}

# A role belongs to the whole cluster: another installation in it may have made the role, or make it now.
_MAKE_ROLE: Final = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = 'The role {role} is missing and the owner of this schema may not create it.',
        HINT = 'As a superuser: CREATE ROLE {role}; GRANT {role} TO the owner WITH ADMIN OPTION;';
END $$
"""

_ADMIT_OWNER: Final = """
DO $$ BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_auth_members WHERE roleid = '{role}'::regrole AND member = current_user::regrole)
    THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
END $$
"""

# Not from a policy alone: NULL is never equal, so a forgotten scope would look like an empty table.
# A connection that was used before keeps '' after SET LOCAL. VOLATILE, so that the planner never calls it.
_CURRENT_ENVIRONMENT: Final = """
CREATE FUNCTION current_environment() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE found text := pg_catalog.current_setting('affidavit.environment_id', true);
BEGIN
    IF found IS NULL OR found OPERATOR(pg_catalog.=) '' THEN
        RAISE EXCEPTION 'no environment is set for this transaction'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found;
END $$
"""

# The scalar subquery is evaluated once a statement, when first needed, and can be looked up in an index.
_ISOLATE_TABLES: Final = f"""
CREATE FUNCTION isolate_tables() RETURNS void LANGUAGE plpgsql AS $$
DECLARE found regclass;
BEGIN
    FOR found IN
        SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND a.attname = 'environment_id' AND NOT a.attisdropped
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', found);
        EXECUTE format('DROP POLICY IF EXISTS of_environment ON %s', found);
        EXECUTE format('DROP POLICY IF EXISTS of_system ON %s', found);
        EXECUTE format('CREATE POLICY of_environment ON %s TO {APP} '
            'USING (environment_id = (SELECT current_environment())) '
            'WITH CHECK (environment_id = (SELECT current_environment()))', found);
        EXECUTE format('CREATE POLICY of_system ON %s TO {SYSTEM} USING (true) WITH CHECK (true)', found);
    END LOOP;
END $$
"""  # noqa: S608 - constants of ours

_GRANT_IF_THERE: Final = """
DO $$ BEGIN
    IF to_regclass('{table}') IS NOT NULL THEN {statement}; END IF;
END $$
"""


def upgrade() -> None:
    """Make the roles, the policies and the grants."""
    for role in (APP, SYSTEM):
        op.execute(_MAKE_ROLE.format(role=role))
        # The owner must be able to act as them: by itself it sees no row of any environment, by FORCE.
        op.execute(_ADMIT_OWNER.format(role=role))
    op.execute(_CURRENT_ENVIRONMENT)
    op.execute(_ISOLATE_TABLES)
    op.execute("SELECT isolate_tables()")
    _grant()


def _grant() -> None:
    op.execute(f"GRANT SELECT ON alembic_version TO {APP}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SYSTEM}")
    op.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {SYSTEM}")
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP}, {SYSTEM}")
    for table, verbs in APP_MAY.items():
        _where_there(table, f"GRANT {verbs} ON {table} TO {APP}")
    for table, verbs in SYSTEM_MAY_NOT.items():
        _where_there(table, f"REVOKE {verbs} ON {table} FROM {SYSTEM}")


def _where_there(table: str, statement: str) -> None:
    op.execute(_GRANT_IF_THERE.format(table=table, statement=statement))


def downgrade() -> None:
    """Take away policies and grants. The roles stay: another database of the cluster may use them."""
    op.execute("""
        DO $$ DECLARE found record; BEGIN
            FOR found IN SELECT schemaname, tablename, policyname FROM pg_policies
                WHERE policyname IN ('of_environment', 'of_system')
            LOOP
                EXECUTE format('DROP POLICY %I ON %I.%I',
                    found.policyname, found.schemaname, found.tablename);
                EXECUTE format('ALTER TABLE %I.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY',
                    found.schemaname, found.tablename);
            END LOOP;
        END $$
    """)
    for role in (APP, SYSTEM):
        op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        op.execute(f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}")
    op.execute("DROP FUNCTION isolate_tables()")
    op.execute("DROP FUNCTION current_environment()")
