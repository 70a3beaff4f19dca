"""Issue receipts: signed statements that something was done with a bundle."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.envelope import RECEIPT, Signer, seal_envelope, statement
from affidavit.errors import BundleDeleted, NotFound
from affidavit.evidence.events import BundleEventType, note
from affidavit.evidence.manifest import moment
from affidavit.infra.ids import encode

PREFIX: Final = "rcpt"


class Action(StrEnum):
    """What receipts are issued for."""

    VERIFY = "verify"
    DOWNLOAD = "download"
    REVIEW = "review"
    HAND_OFF = "hand_off"


EVENTS: Final = {
    Action.VERIFY: BundleEventType.VERIFIED,
    Action.DOWNLOAD: BundleEventType.DOWNLOADED,
    Action.REVIEW: BundleEventType.REVIEWED,
    Action.HAND_OFF: BundleEventType.HANDED_OFF,
}


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done. `key_id` is the API key used, `agent_id` whom it acted for, as the caller says.

    `claims` are signed too, and show nothing but ids and names of agents; `detail` is for the log alone.
    """

    action: Action
    key_id: str | None
    agent_id: str | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt. `envelope` is None once its bundle was deleted, if it named an agent."""

    id: str
    bundle_id: str
    action: str
    agent_id: str | None
    key_id: str | None
    manifest_sha256: str
    signing_key_id: str
    created_at: datetime
    envelope: bytes | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A receipt, and the event of the log that it belongs to."""

    receipt: ReceiptView
    event_id: str


_BUNDLE: Final = text("""
SELECT manifest_sha256, deleted_at, deleted_by, now() AS now FROM bundles WHERE id = :bundle_id
""")
_ADD: Final = text("""
INSERT INTO receipts (id, environment_id, bundle_id, action, agent_id, key_id, manifest_sha256, envelope,
    signing_key_id, created_at)
SELECT :id, environment_id, id, :action, :agent_id, :key_id, manifest_sha256, :envelope, :signing_key_id,
    CAST(:created_at AS timestamptz)
FROM bundles WHERE id = :bundle_id
""")


async def issue(
    session: AsyncSession,
    signer: Signer,
    bundle_id: str,
    deed: Deed,
    *,
    event_id: str | None = None,
    receipt_id: str | None = None,
) -> Issued:
    """Sign that something was done with a bundle which this session sees, and write it into its log.

    Ids are new ones unless given. Raises NotFound, BundleDeleted.
    """
    bundle = (await session.execute(_BUNDLE, {"bundle_id": bundle_id})).one_or_none()
    if bundle is None:
        raise NotFound("bundle")
    if bundle.deleted_at is not None:
        raise BundleDeleted(bundle_id, bundle.deleted_at, bundle.deleted_by)
    bare = ReceiptView(
        id=receipt_id or new_receipt_id(),
        bundle_id=bundle_id,
        action=deed.action.value,
        agent_id=deed.agent_id,
        key_id=deed.key_id,
        manifest_sha256=bundle.manifest_sha256,
        signing_key_id=signer.key_id,
        created_at=bundle.now,
        envelope=None,
    )
    receipt = _signed(bare, deed, signer)
    await session.execute(_ADD, {name: getattr(receipt, name) for name in ReceiptView.__slots__})
    noted = await note(
        session,
        bundle_id,
        EVENTS[deed.action],
        key_id=deed.key_id,
        agent_id=deed.agent_id,
        detail=deed.detail,
        receipt_id=receipt.id,
        event_id=event_id,
    )
    return Issued(receipt, noted)


def new_receipt_id() -> str:
    """Make the id of a receipt, 128 random bits: whoever knows it may see the receipt."""
    return f"{PREFIX}_{encode(uuid.UUID(bytes=secrets.token_bytes(16)))}"


def claims_of(receipt: ReceiptView) -> dict[str, Any]:
    """Return what every receipt states of itself."""
    return {
        "bundle_id": receipt.bundle_id,
        "receipt_id": receipt.id,
        "action": receipt.action,
        "issued_at": moment(receipt.created_at),
        "agent_id": receipt.agent_id,
        "key_id": receipt.key_id,
    }


def _signed(bare: ReceiptView, deed: Deed, signer: Signer) -> ReceiptView:
    predicate = {**deed.claims, **claims_of(bare)}
    return replace(bare, envelope=seal_envelope(statement(RECEIPT, bare.manifest_sha256, predicate), signer))
