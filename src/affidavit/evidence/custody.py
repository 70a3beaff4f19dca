"""The use cases of custody: who did what with a bundle, receipts of it, and who has it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import Signers
from affidavit.errors import BundleDeleted, NotFound
from affidavit.evidence.events import BundleEventType, new_event_id, note
from affidavit.evidence.paging import event_cursor, render_cursor
from affidavit.evidence.receipts import Action, Deed, Issued, ReceiptView, issue
from affidavit.evidence.views import EventPage, EventView
from affidavit.infra.db import Database, scoped
from affidavit.infra.idempotency import Fingerprint, claim
from affidavit.infra.ids import is_id

_EVENT: Final = text("""
SELECT seq, id, type, created_at AS at, key_id, agent_id, detail, receipt_id
FROM bundle_events WHERE environment_id = :environment_id AND id = :id
""")
_STANDING: Final = text("""
SELECT deleted_at, deleted_by FROM bundles
WHERE environment_id = :environment_id AND id = :bundle_id FOR NO KEY UPDATE
""")
_HAND_OFFS: Final = scoped(
    """
SELECT e.seq, e.id, e.type, e.created_at AS at, e.key_id, e.agent_id, e.detail, e.receipt_id
FROM bundle_events e
WHERE e.environment_id = scope.id AND e.bundle_id = $2 AND e.type = 'handed_off' AND e.seq > $3
ORDER BY e.seq LIMIT $4
""",
    order="found.seq",
)
_RECEIPTS: Final = scoped(
    """
SELECT e.seq, r.id, r.bundle_id, r.action, r.agent_id, r.key_id, r.manifest_sha256, r.signing_key_id,
    r.created_at, r.envelope
FROM bundle_events e JOIN receipts r ON r.id = e.receipt_id
WHERE e.environment_id = scope.id AND r.environment_id = scope.id AND e.bundle_id = $2 AND e.seq > $3
ORDER BY e.seq LIMIT $4
""",
    order="found.seq",
)
_EXISTS: Final = scoped("SELECT b.id FROM bundles b WHERE b.environment_id = scope.id AND b.id = $2")


@dataclass(frozen=True, slots=True)
class Record:
    """What a caller says was done with a bundle elsewhere."""

    action: str
    key_id: str
    agent_id: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HandOff:
    """A bundle goes from one agent to another."""

    key_id: str
    from_agent: str
    to_agent: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """An event, and whether an earlier request with the same Idempotency-Key had made it."""

    event: EventView
    replayed: bool


@dataclass(frozen=True, slots=True)
class ReceiptList:
    """Receipts, oldest first."""

    items: tuple[ReceiptView, ...]
    next_cursor: str | None


class Custody:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, keys: Signers, *, idempotency_ttl: timedelta) -> None:
        self._db = db
        self._keys = keys
        self._idempotency_ttl = idempotency_ttl

    async def issue(self, environment_id: str, bundle_id: str, deed: Deed) -> Issued:
        """Issue a receipt for what was done with a bundle. Raises NotFound, BundleDeleted."""
        _check_id(bundle_id)
        async with self._db.begin(environment_id) as session:
            await _refuse_gone(session, environment_id, bundle_id)
            return await issue(session, self._keys.current(), bundle_id, deed)

    async def record(
        self, environment_id: str, bundle_id: str, record: Record, key: Fingerprint | None = None
    ) -> Noted:
        """Write into the log what a caller did. Raises NotFound, BundleDeleted, and what `claim` raises."""
        _check_id(bundle_id)
        wanted = new_event_id(BundleEventType.RECORDED)
        async with self._db.begin(environment_id) as session:
            await _refuse_gone(session, environment_id, bundle_id)
            event_id = await self._claim(session, environment_id, key, wanted)
            if event_id == wanted:
                await note(
                    session,
                    bundle_id,
                    BundleEventType.RECORDED,
                    key_id=record.key_id,
                    agent_id=record.agent_id,
                    detail={"action": record.action, **record.detail},
                    event_id=event_id,
                )
            return Noted(await _event(session, environment_id, event_id), event_id != wanted)

    async def hand_off(
        self, environment_id: str, bundle_id: str, hand_off: HandOff, key: Fingerprint | None = None
    ) -> Noted:
        """Write down that a bundle goes to another agent, with a receipt. Raises as `record`."""
        _check_id(bundle_id)
        agents = {"from_agent": hand_off.from_agent, "to_agent": hand_off.to_agent}
        deed = Deed(
            Action.HAND_OFF, hand_off.key_id, hand_off.from_agent, agents, {**agents, "note": hand_off.note}
        )
        wanted = new_event_id(BundleEventType.HANDED_OFF)
        async with self._db.begin(environment_id) as session:
            await _refuse_gone(session, environment_id, bundle_id)
            event_id = await self._claim(session, environment_id, key, wanted)
            if event_id == wanted:
                await issue(session, self._keys.current(), bundle_id, deed, event_id=event_id)
            return Noted(await _event(session, environment_id, event_id), event_id != wanted)

    async def hand_offs(
        self, environment_id: str, bundle_id: str, limit: int, cursor: str | None = None
    ) -> EventPage:
        """Return who had a bundle after whom. Raises NotFound, RequestInvalid for a foreign cursor."""
        after = event_cursor(cursor)
        await self._require(environment_id, bundle_id)
        rows = await self._db.fetch_in(environment_id, _HAND_OFFS, bundle_id, after, limit + 1)
        shown = tuple(EventView(**dict(row)) for row in rows[:limit])
        return EventPage(shown, _next(rows, limit))

    async def receipts(
        self, environment_id: str, bundle_id: str, limit: int, cursor: str | None = None
    ) -> ReceiptList:
        """Return the receipts of a bundle. Raises NotFound, RequestInvalid for a foreign cursor."""
        after = event_cursor(cursor)
        await self._require(environment_id, bundle_id)
        rows = await self._db.fetch_in(environment_id, _RECEIPTS, bundle_id, after, limit + 1)
        shown = tuple(ReceiptView(**{name: row[name] for name in ReceiptView.__slots__}) for row in rows)
        return ReceiptList(shown[:limit], _next(rows, limit))

    async def _claim(
        self, session: AsyncSession, environment_id: str, key: Fingerprint | None, event_id: str
    ) -> str:
        if key is None:
            return event_id
        return await claim(session, environment_id, key, event_id, self._idempotency_ttl)

    async def _require(self, environment_id: str, bundle_id: str) -> None:
        _check_id(bundle_id)
        if await self._db.fetch_row_in(environment_id, _EXISTS, bundle_id) is None:
            raise NotFound("bundle")


async def _refuse_gone(session: AsyncSession, environment_id: str, bundle_id: str) -> None:
    ours = {"environment_id": environment_id, "bundle_id": bundle_id}
    row = (await session.execute(_STANDING, ours)).one_or_none()
    if row is None:
        raise NotFound("bundle")
    if row.deleted_at is not None:
        raise BundleDeleted(bundle_id, row.deleted_at, row.deleted_by)


async def _event(session: AsyncSession, environment_id: str, event_id: str) -> EventView:
    found = await session.execute(_EVENT, {"environment_id": environment_id, "id": event_id})
    return EventView(**found.mappings().one())


def _next(rows: Sequence[asyncpg.Record], limit: int) -> str | None:
    return render_cursor(str(rows[limit - 1]["seq"])) if len(rows) > limit else None


def _check_id(bundle_id: str) -> None:
    if not is_id(bundle_id, "ev"):
        raise NotFound("bundle")
