"""Find out whether Postgres itself keeps environments apart, and refuse to start when it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from affidavit.infra.connections import Role
from affidavit.infra.db import Database
from affidavit.infra.schema import revisions

log = structlog.get_logger()

MIGRATE: Final = "Run `affidavit migrate` with AFFIDAVIT_DATABASE_OWNER_URL and AFFIDAVIT_DATABASE_URL set."
LOGIN: Final = (
    "Name in AFFIDAVIT_DATABASE_URL a login of its own, and the owner in AFFIDAVIT_DATABASE_OWNER_URL; "
    "`affidavit migrate` then makes the login."
)

# Tables without environment_id, and why they have none. Whatever else has none is a mistake.
SHARED_TABLES: Final = {
    "alembic_version": "the revision of the schema",
    "environments": "the environments themselves; only the system reads them",
    "signing_keys": "public halves of the keys that sign; anyone may see them",
    "installation": "the name of the log",
    "log_entries": "hashes alone; anyone may see them",
    "log_nodes": "hashes alone; anyone may see them",
    "log_checkpoints": "how long the log is and its root, signed; anyone may see them",
    "patrols": "where the rounds of the whole installation stand; only the system reads them",
}

_TENANT_TABLES: Final = """
SELECT c.oid, c.relname, c.relowner, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
    (SELECT count(*) FROM pg_policies p
        WHERE p.schemaname = c.relnamespace::regnamespace::text AND p.tablename = c.relname
          AND p.policyname IN ('of_environment', 'of_system')) AS policies
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attname = 'environment_id' AND NOT a.attisdropped
"""

_FACTS: Final = f"""
WITH tenant AS ({_TENANT_TABLES}),
roles AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY($1))
SELECT current_user::text AS role, session_user::text AS login,
    (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user)
        OR EXISTS (SELECT FROM tenant WHERE pg_has_role(session_user, relowner, 'MEMBER')) AS is_strong_login,
    ARRAY(SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = ANY($1) AND (
        r.rolsuper OR r.rolbypassrls
        OR EXISTS (SELECT FROM tenant t WHERE pg_has_role(r.oid, t.relowner, 'MEMBER')))) AS strong_roles,
    ARRAY(SELECT relname::text FROM tenant WHERE NOT is_forced OR policies < 2 ORDER BY 1) AS open_tables,
    to_regclass('public.alembic_version') IS NOT NULL AS is_migrated
"""  # noqa: S608 - constants of ours


class Severity(StrEnum):
    """Whether the service may run with it."""

    REFUSED = "refused"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that weakens the walls between environments, and what to do about it."""

    severity: Severity
    what: str
    remedy: str


class Unsafe(Exception):
    """The database does not keep environments apart; the message says what to do."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(f"{finding.what} {finding.remedy}" for finding in findings))


async def check(db: Database) -> list[Finding]:
    """Return what weakens the isolation of environments, nothing when all is well.

    Raises OSError, TimeoutError and asyncpg errors when the database is away.
    """
    try:
        facts = await db.fetch_row(_FACTS, list(Role))
        acting = await db.fetch_row_in("-", "SELECT $1::text, current_user::text AS role")
        assert facts is not None
        assert acting is not None
        revision = _judge_revision(await _revision(db)) if facts["is_migrated"] else []
        return [*_judge(facts, acting["role"]), *revision]
    except (asyncpg.PostgresError, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if getattr(cause, "sqlstate", None) in _NO_ROLE:
            return [_refused(_NOT_ADMITTED, MIGRATE)]
        raise


async def require(db: Database) -> None:
    """Open the database, log what weakens it, and raise Unsafe when the service must not run on it."""
    findings = await check(db)
    for finding in findings:
        say = log.error if finding.severity is Severity.REFUSED else log.warning
        say("isolation.weak", kind=finding.severity, reason=finding.what, detail=finding.remedy)
    refuse(findings)


def refuse(findings: Sequence[Finding]) -> None:
    """Raise Unsafe when one of the findings forbids to go on."""
    if refused := [finding for finding in findings if finding.severity is Severity.REFUSED]:
        raise Unsafe(refused)


# The SQLSTATEs with which Postgres ends a connection that asks for a role: it is not there, or not granted.
_NO_ROLE: Final = ("22023", "42501")


def _judge(facts: Any, acting: str) -> Iterator[Finding]:
    if not facts["is_migrated"]:
        yield _refused("The database has no tables yet.", MIGRATE)
    if (facts["role"], acting) != (Role.SYSTEM, Role.APP):
        yield _refused(
            f"Connections act as {facts['role']} and {acting}.", "Do not set `role` for the login."
        )
    if facts["strong_roles"]:
        names = ", ".join(facts["strong_roles"])
        yield _refused(
            f"Row-level security does not hold for {names}.",
            "Take SUPERUSER, BYPASSRLS and the tables away from them: they must own nothing.",
        )
    if facts["open_tables"]:
        names = ", ".join(facts["open_tables"])
        yield _refused(f"Row-level security is not forced on {names}.", f"{MIGRATE} {_ISOLATE}")
    if facts["is_strong_login"]:
        what = f"The login {facts['login']} is a superuser or owns the tables, so it could step around them."
        yield Finding(Severity.WARNING, what, LOGIN)


_NOT_ADMITTED: Final = "The login may not act as affidavit_app and affidavit_system, or the schema is older."
_ISOLATE: Final = "If that changes nothing: `SELECT isolate_tables()` as the owner."


async def _revision(db: Database) -> str | None:
    row = await db.fetch_row("SELECT version_num FROM alembic_version")
    return None if row is None else row["version_num"]


def _judge_revision(revision: str | None) -> list[Finding]:
    known = revisions()
    if revision == known[0]:
        return []
    if revision is None or revision in known:
        return [_refused(f"The schema is at {revision}; this version needs {known[0]}.", MIGRATE)]
    # While a newer version is rolled out, processes of this one may have to start once more.
    what = f"The schema is at {revision}, which is newer than this version ({known[0]})."
    return [Finding(Severity.WARNING, what, "Update the processes too.")]


def _refused(what: str, remedy: str) -> Finding:
    return Finding(Severity.REFUSED, what, remedy)
