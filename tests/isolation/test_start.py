"""The service refuses a database that does not keep environments apart, and says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from affidavit.infra.db import Database
from affidavit.infra.isolation import Finding, Severity, Unsafe, check, require
from affidavit.infra.login import LoginRefused, admit, scram_verifier
from tests.conftest import Servers, as_service, execute, migrate

SCRAM = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$"


def as_login(url: str, name: str, password: str = "p") -> str:
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name)}:{quote(password)}@{server}"))


@pytest.fixture
async def login(servers: Servers, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Name a login that is there for this test alone; a role belongs to the whole cluster."""
    name = f"login_{abs(hash(request.node.name))}"
    yield name
    await execute(servers.database_url, f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


async def refusals(url: str) -> list[str]:
    return [finding.what for finding in await findings(url) if finding.severity is Severity.REFUSED]


async def findings(url: str) -> list[Finding]:
    db = Database(url, pool_size=2)
    try:
        return await check(db)
    finally:
        await db.close()


async def test_service_login_on_a_migrated_database_has_nothing_to_mend(database_url: str) -> None:
    assert await findings(as_service(database_url)) == []


async def test_superuser_as_the_login_may_run_and_is_warned_of(database_url: str) -> None:
    (finding,) = await findings(database_url)

    assert finding.severity is Severity.WARNING
    assert "superuser" in finding.what
    assert "AFFIDAVIT_DATABASE_OWNER_URL" in finding.remedy


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("ALTER TABLE documents NO FORCE ROW LEVEL SECURITY", "not forced on documents"),
        ("ALTER TABLE jobs DISABLE ROW LEVEL SECURITY", "not forced on jobs"),
        ("DROP POLICY of_environment ON job_tasks", "not forced on job_tasks"),
        ("CREATE TABLE later (id text, environment_id text)", "not forced on later"),
        ("ALTER TABLE jobs OWNER TO affidavit_app", "does not hold for affidavit_app"),
        ("UPDATE alembic_version SET version_num = '0003'", "The schema is at 0003"),
        ("DELETE FROM alembic_version", "The schema is at None"),
        ("DROP TABLE alembic_version", "no tables yet"),
        ("REVOKE affidavit_app FROM affidavit_test", "may not act as"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(database_url: str, harm: str, named: str) -> None:
    await execute(database_url, harm)
    db = Database(as_service(database_url), pool_size=2)
    try:
        with pytest.raises(Unsafe, match=named):
            await require(db)
    finally:
        await db.close()
        await execute(database_url, "GRANT affidavit_app TO affidavit_test")


async def test_table_that_comes_later_is_walled_by_one_call(database_url: str) -> None:
    await execute(database_url, "CREATE TABLE later (id text, environment_id text NOT NULL)")
    await execute(database_url, "SELECT isolate_tables()")

    assert await refusals(as_service(database_url)) == []


async def test_schema_of_a_newer_version_is_warned_of(database_url: str) -> None:
    await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")

    (finding,) = await findings(as_service(database_url))

    assert (finding.severity, "newer" in finding.what) == (Severity.WARNING, True)


async def test_database_without_migrations_is_refused(empty_database_url: str) -> None:
    assert "no tables yet" in (await refusals(as_service(empty_database_url)))[0]


async def test_login_is_made_once_with_its_password_and_inherits_nothing(
    database_url: str, login: str
) -> None:
    url = as_login(database_url, login, "pä ss'word")

    assert [await admit(database_url, url), await admit(database_url, url)] == [True, False]

    assert await findings(url) == []
    bare = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await bare.fetch("SELECT FROM jobs")
    finally:
        await bare.close()


async def test_login_that_is_there_is_admitted_and_keeps_its_password(database_url: str, login: str) -> None:
    await execute(database_url, f"CREATE ROLE \"{login}\" LOGIN PASSWORD 'first'")
    assert "may not act as" in (await refusals(as_login(database_url, login, "first")))[0]

    assert not await admit(database_url, as_login(database_url, login, "second"))

    assert await findings(as_login(database_url, login, "first")) == []


async def test_owner_that_is_no_superuser_migrates_and_runs_alone_with_a_warning(
    login: str, empty_database_url: str
) -> None:
    url = as_login(empty_database_url, login)
    await execute(empty_database_url, f"CREATE ROLE \"{login}\" LOGIN PASSWORD 'p'")
    await execute(empty_database_url, f'GRANT affidavit_app, affidavit_system TO "{login}" WITH ADMIN OPTION')
    await execute(empty_database_url, f'GRANT ALL ON SCHEMA public TO "{login}"')

    await asyncio.to_thread(migrate, url)

    assert [finding.severity for finding in await findings(url)] == [Severity.WARNING]
    with pytest.raises(LoginRefused, match="CREATE ROLE"):
        await admit(url, as_login(url, "never_made"))


def test_verifier_is_that_of_the_rfc() -> None:
    """Postgres itself is asked in the tests above; this holds the form."""
    assert scram_verifier("pencil", b"0123456789abcdef").startswith(SCRAM)
