"""Statements about environments and API keys, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.accounts.models import ApiKey, Environment
from affidavit.infra.ids import new_id

# The hot path of every request that is not in the cache: one statement, no ORM.
FIND_LIVE_KEY: Final = """
SELECT environment_id, digest, scopes, extract(epoch FROM expires_at - now())::float8 AS seconds_left
FROM api_keys
WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""


async def get_or_create_environment(session: AsyncSession, name: str) -> Environment:
    """Return the environment of that name, made now if there is none."""
    made = insert(Environment).values(id=new_id("env"), name=name)
    await session.execute(made.on_conflict_do_nothing(index_elements=["name"]))
    return (await session.scalars(select(Environment).where(Environment.name == name))).one()


async def add_key(session: AsyncSession, key: ApiKey) -> ApiKey:
    """Store a new key and read back what the database filled in."""
    session.add(key)
    await session.flush()
    await session.refresh(key)
    return key


async def list_keys(session: AsyncSession, environment: str | None) -> Sequence[tuple[ApiKey, str]]:
    """Return all keys, oldest first, each with the name of its environment."""
    statement = select(ApiKey, Environment.name).join(Environment, Environment.id == ApiKey.environment_id)
    if environment is not None:
        statement = statement.where(Environment.name == environment)
    return [(key, name) for key, name in await session.execute(statement.order_by(ApiKey.id))]


async def revoke_key(session: AsyncSession, key_id: str) -> ApiKey | None:
    """Revoke a key; a second time changes nothing. None when there is no such key."""
    revoked = update(ApiKey).values(revoked_at=func.coalesce(ApiKey.revoked_at, func.now()))
    return (await session.scalars(revoked.where(ApiKey.id == key_id).returning(ApiKey))).one_or_none()
