"""Postgres itself keeps the rows of environments apart, whatever a statement says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from affidavit.infra.connections import Role
from affidavit.infra.db import SCOPE, Database, scoped
from affidavit.infra.isolation import SHARED_TABLES, Severity, check
from affidavit.jobs import acceptance, repository
from tests.conftest import as_service, execute
from tests.isolation import control
from tests.isolation.rows import MINE, TENANT_TABLES, THEIRS, contents, fill, row_for

GRANT_ALL = f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {Role.APP}, {Role.SYSTEM}"
FORGOTTEN = "no environment is set"
SET_SCOPE = "SELECT set_config('affidavit.environment_id', $1, true)"


@pytest.fixture
async def url(database_url: str) -> str:
    """Fill the tables, and take grants and triggers out of the way: only the policies are left."""
    names = await fill(database_url)
    await execute(database_url, GRANT_ALL)
    await execute(database_url, ";".join(f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in names))
    if control.is_off(control.FORCED_RLS):
        await control.unforce(database_url)
    return database_url


@pytest.fixture
async def app(url: str) -> AsyncIterator[Any]:
    """Connect as the API does: as its login, acting as its role."""
    connection = await asyncpg.connect(as_service(url), server_settings={"role": Role.APP.value})
    yield connection
    await connection.close()


async def tables(connection: Any) -> list[asyncpg.Record]:
    return list(await connection.fetch(TENANT_TABLES))


async def refusal(connection: Any, statement: str, *args: Any) -> str:
    """Run it in a savepoint and return why it was refused."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as refused:
        async with connection.transaction():
            await connection.execute(statement, *args)
    return str(refused.value)


async def test_every_table_of_an_environment_forces_row_level_security(db: Database) -> None:
    found = await db.fetch(
        """
        SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
            a.attnotnull AS is_needed,
            ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies
        FROM pg_class c LEFT JOIN pg_attribute a
            ON a.attrelid = c.oid AND a.attname = 'environment_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        """
    )
    tenant = {row["name"]: row for row in found if row["is_needed"] is not None}

    assert {row["name"] for row in found} - tenant.keys() == SHARED_TABLES.keys()
    assert {"jobs", "documents", "api_keys", "webhook_endpoints"} <= tenant.keys()
    for name, row in tenant.items():
        assert row["is_forced"], name
        assert row["is_needed"], name
        assert row["policies"] == ["of_environment", "of_system"], name


async def test_another_environments_rows_are_not_there_in_any_table(app: Any, url: str) -> None:
    before = await contents(url)
    for table in await tables(app):
        name = table["name"]
        async with app.transaction():
            await app.execute(SET_SCOPE, MINE)
            assert {row["environment_id"] for row in await app.fetch(f"SELECT * FROM {name}")} == {MINE}, name
            theirs = f"environment_id = '{THEIRS}'"
            assert await app.fetch(f"SELECT FROM {name} WHERE {theirs}") == [], name
            assert (
                await app.execute(f"UPDATE {name} SET environment_id = '{MINE}' WHERE {theirs}") == "UPDATE 0"
            )
            assert await app.execute(f"DELETE FROM {name} WHERE {theirs}") == "DELETE 0", name
    assert await contents(url) == before


async def test_no_row_can_be_given_to_another_environment_in_any_table(app: Any, url: str) -> None:
    before = await contents(url)
    for table in await tables(app):
        name, row = table["name"], await row_for(app, table, "env_new")
        columns, places = ", ".join(row), ", ".join(f"${n}" for n in range(1, len(row) + 1))
        values = {**row, "environment_id": THEIRS}.values()
        async with app.transaction():
            await app.execute(SET_SCOPE, MINE)
            why = await refusal(app, f"INSERT INTO {name} ({columns}) VALUES ({places})", *values)
            assert "row-level security" in why, name
            why = await refusal(app, f"UPDATE {name} SET environment_id = '{THEIRS}'")
            assert "row-level security" in why, name
    assert await contents(url) == before


async def test_without_a_scope_every_table_refuses(app: Any) -> None:
    for table in await tables(app):
        assert FORGOTTEN in await refusal(app, f"SELECT * FROM {table['name']}")


async def test_what_a_transaction_leaves_behind_is_no_scope(app: Any) -> None:
    async with app.transaction():
        await app.execute(SET_SCOPE, MINE)
        assert len(await app.fetch("SELECT FROM jobs")) == 1

    assert await app.fetchval("SELECT current_setting('affidavit.environment_id')") == ""
    for table in await tables(app):
        assert FORGOTTEN in await refusal(app, f"SELECT * FROM {table['name']}")
    assert FORGOTTEN in await refusal(app, "UPDATE jobs SET percent = 1")


async def test_system_sees_every_environment_and_sets_no_scope(url: str) -> None:
    db = Database(as_service(url), pool_size=1)
    try:
        rows = await db.fetch("SELECT environment_id FROM jobs")
    finally:
        await db.close()

    assert {row["environment_id"] for row in rows} == {MINE, THEIRS}


async def test_connection_that_was_anothers_or_the_systems_is_only_the_callers(url: str) -> None:
    db = Database(as_service(url), pool_size=1)  # so that all of them share one connection
    seen = []
    try:
        for environment_id in (MINE, THEIRS, MINE):
            found = await db.fetch_in(
                environment_id, scoped("SELECT environment_id FROM jobs WHERE scope.id <> ''")
            )
            seen.append([row["environment_id"] for row in found])
            await db.fetch("SELECT FROM jobs")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=FORGOTTEN):
            await db.fetch_in(MINE, "SELECT FROM jobs WHERE environment_id = $1")
        async with db.begin(THEIRS) as session:
            seen.append(list(await session.scalars(text("SELECT environment_id FROM jobs"))))
    finally:
        await db.close()

    assert seen == [[MINE], [THEIRS], [MINE], [THEIRS]]


@pytest.mark.parametrize("method", ["nestloop", "hashjoin", "mergejoin", "indexscan", "seqscan", "material"])
async def test_statements_that_bring_their_scope_hold_however_they_are_planned(app: Any, method: str) -> None:
    await app.execute(f"SET enable_{method} = off")
    empty = ["[]", "[]", "[]", "POST /v1/parse", "key", "{}", "job_new", timedelta(days=1)]
    more = len(set(re.findall(r"\$\d+", acceptance._ACCEPT))) - len(empty) - 1

    assert (await app.fetch(repository._ONE, MINE, MINE))[0]["id"] == MINE
    assert await app.fetch(repository._ONE, MINE, THEIRS) == []
    accepted = await app.fetchrow(acceptance._ACCEPT, MINE, *empty, *[None] * more)
    assert accepted["accepted"]
    found = await app.fetchrow(acceptance._FIRST, MINE, "POST /v1/parse", "key")
    assert found["resource_id"] == "job_new"
    assert await app.fetchrow(acceptance._FIRST, THEIRS, "POST /v1/parse", "key") is None


def test_every_statement_with_a_scope_takes_the_environment_from_it_alone() -> None:
    for source in Path(repository.__file__).parents[1].rglob("*.py"):
        code = source.read_text()
        for statement in re.findall(r'scoped\(\s*f?"{1,3}(.*?)"{1,3}[,)]', code, re.DOTALL):
            assert "scope.id" in statement, source
            assert "$1" not in re.sub(r"\$1\d", "", statement), source
    assert acceptance._ACCEPT.count("$1,") == SCOPE.count("$1,")


async def test_app_may_do_only_what_the_api_does(db: Database) -> None:
    rows = await db.fetch(
        """
        SELECT c.relname AS table_name, a.privilege_type
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE r.rolname = $1 AND c.relkind IN ('r', 'p')
        """,
        Role.APP.value,
    )
    granted: dict[str, set[str]] = {}
    for row in rows:
        granted.setdefault(row["table_name"], set()).add(row["privilege_type"])

    assert "api_keys" not in granted
    assert "environments" not in granted
    assert granted["job_events"] == {"SELECT", "INSERT"}
    assert granted["usage_records"] == {"SELECT"}
    assert granted["alembic_version"] == {"SELECT"}
    assert not {"TRUNCATE", "REFERENCES", "TRIGGER"} & set().union(*granted.values())
    assert {name for name, verbs in granted.items() if "DELETE" in verbs} <= {
        "blob_refs",
        "bundle_artifacts",
        "job_artifacts",
        "page_checkpoints",
        "templates",
        "webhook_lanes",
    }


async def test_events_stay_as_they_are_even_for_the_system(db: Database) -> None:
    for statement in ("UPDATE job_events SET type = 'x'", "DELETE FROM job_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.fetch(statement)


async def test_without_force_the_leak_is_seen_and_the_service_would_not_start(database_url: str) -> None:
    await fill(database_url)
    await control.unforce(database_url)
    db = Database(as_service(database_url), pool_size=2)
    try:
        found = await db.fetch_in(MINE, scoped("SELECT environment_id FROM jobs WHERE scope.id <> ''"))
        findings = await check(db)
    finally:
        await db.close()

    assert {row["environment_id"] for row in found} == {MINE, THEIRS}
    refused = [finding.what for finding in findings if finding.severity is Severity.REFUSED]
    assert any("not forced" in what and "jobs" in what for what in refused)
    assert any("does not hold for affidavit_app" in what for what in refused)
