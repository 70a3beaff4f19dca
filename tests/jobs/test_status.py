"""The state machines as data, and the schema that carries them."""

from __future__ import annotations

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from affidavit.infra.db import Base
from affidavit.jobs.status import JOB_TRANSITIONS, TERMINAL, JobStatus, job_sources
from tests.conftest import ROOT, migrate

DESIGNED = {
    ("queued", "processing"), ("queued", "canceled"), ("queued", "failed"),
    ("processing", "completed"), ("processing", "failed"), ("processing", "review_required"),
    ("processing", "canceled"), ("review_required", "completed"), ("review_required", "failed"),
    ("review_required", "canceled"),
}  # fmt: skip


def test_jobs_move_as_designed_and_not_otherwise() -> None:
    moves = {(source, target) for source, targets in JOB_TRANSITIONS.items() for target in targets}
    assert moves == DESIGNED
    assert {(source, to) for to in JobStatus for source in job_sources(to)} == DESIGNED


def test_nothing_leaves_a_terminal_state() -> None:
    assert {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED} == TERMINAL


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    assert asyncio.run(differences(database_url)) == []


def test_the_migrations_go_back_to_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    config = Config(ROOT / "alembic.ini")
    config.attributes["database_url"] = empty_database_url
    command.downgrade(config, "base")
    left = asyncio.run(differences(empty_database_url))
    assert {change[0] for change in left} <= {"add_table", "add_index"}
    assert len([change for change in left if change[0] == "add_table"]) == len(Base.metadata.tables)


async def differences(url: str) -> list[tuple[object, ...]]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))

    def compare(connection: Connection) -> list[tuple[object, ...]]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return found


@pytest.fixture(autouse=True)
def _all_models() -> None:
    import affidavit.accounts.models
    import affidavit.documents.models
    import affidavit.infra.idempotency
    import affidavit.jobs.models
    import affidavit.templates.models
    import affidavit.webhooks.models  # noqa: F401
