"""Alembic environment: the one MetaData of `infra.db`, over asyncpg, from the settings."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import affidavit.accounts.models
import affidavit.documents.models
import affidavit.evidence.models
import affidavit.infra.idempotency
import affidavit.jobs.models
import affidavit.jobs.review_models
import affidavit.templates.models
import affidavit.webhooks.models  # noqa: F401
from affidavit.infra.db import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def main(url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


def database_url() -> str:
    """Return the URL given by the caller, or that of the settings."""
    given = context.config.attributes.get("database_url")
    if isinstance(given, str):
        return given
    from affidavit.settings import Settings

    return Settings().database_url


if context.is_offline_mode():
    context.configure(url=database_url(), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(main(database_url()))
