"""Idempotency keys: one row per key, written in the transaction of what it protects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Text, func, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.errors import Gone, IdempotencyInProgress, IdempotencyKeyReused
from affidavit.infra.db import Base

LOCK_NOT_AVAILABLE: Final = "55P03"  # the SQLSTATE of a lock_timeout


class IdempotencyKey(Base):
    """A key that was used, for what, and what it made. Holds digests, never a body."""

    __tablename__ = "idempotency_keys"

    environment_id: Mapped[str] = mapped_column(Text, primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    parts: Mapped[dict[str, str]] = mapped_column(JSONB)
    resource_id: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), index=True)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A key and the digest of each part of the request that came with it.

    `scope` is the method and path. Parts are kept apart so that a later request with the same
    key can be told what differs, without keeping what was said.
    """

    scope: str
    key: str
    parts: Mapping[str, str]

    def differing(self, first: Mapping[str, str]) -> list[str]:
        """Name the parts that differ from those of the first request, sorted."""
        names = self.parts.keys() | first.keys()
        return sorted(name for name in names if self.parts.get(name) != first.get(name))


def fingerprint(scope: str, key: str, request: Mapping[str, object]) -> Fingerprint:
    """Digest each top-level part of a canonical request; absent and null parts are the same."""
    parts = {name: _digest(part) for name, part in request.items() if part is not None}
    return Fingerprint(scope, key, parts)


def _digest(part: object) -> str:
    canonical = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


_CLAIM: Final = insert(IdempotencyKey).on_conflict_do_nothing().returning(IdempotencyKey.resource_id)


async def claim(
    session: AsyncSession, environment_id: str, key: Fingerprint, resource_id: str, ttl: timedelta
) -> str:
    """Bind the key to `resource_id`, or return the id of what an earlier request made with it.

    Waits for a first request that is still committing, and raises IdempotencyInProgress when that
    takes long; IdempotencyKeyReused for another request; Gone when the key is too old.
    """
    values = {
        "environment_id": environment_id,
        "scope": key.scope,
        "key": key.key,
        "parts": dict(key.parts),
        "resource_id": resource_id,
        "expires_at": func.now() + ttl,
    }
    try:
        if await session.scalar(_CLAIM.values(**values)) is not None:
            return resource_id
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise IdempotencyInProgress from None
        raise
    first = select(IdempotencyKey, (IdempotencyKey.expires_at < func.now()).label("is_expired")).where(
        IdempotencyKey.environment_id == environment_id,
        IdempotencyKey.scope == key.scope,
        IdempotencyKey.key == key.key,
    )
    row = (await session.execute(first)).one_or_none()
    if row is None:  # it was removed between the two statements
        raise IdempotencyInProgress
    if row.is_expired:
        raise Gone(
            "This Idempotency-Key is too old to be replayed. Use a new key.", code="IDEMPOTENCY_KEY_EXPIRED"
        )
    if differing := key.differing(row.IdempotencyKey.parts):
        raise IdempotencyKeyReused(differing)
    return str(row.IdempotencyKey.resource_id)
