"""Idempotency keys: one row per key, written in the transaction of what it protects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, func
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from affidavit.infra.db import Base


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
