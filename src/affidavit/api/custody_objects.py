"""What is said of custody over the wire: hand-offs, receipts, and the keys that sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pydantic import Field

from affidavit.api.keeping_objects import EnvelopeSignature
from affidavit.api.objects import Answer
from affidavit.bundle.checkpoint import raw_key, verifier_key
from affidavit.evidence.custody import ReceiptList
from affidavit.evidence.receipt_check import CheckStatus, ReceiptReport
from affidavit.evidence.receipts import Action, ReceiptView
from affidavit.evidence.signing_keys import PublishedKey, state
from affidavit.evidence.views import EventPage, EventView

ALGORITHM: Final = "Ed25519"


class HandOffObject(Answer):
    """A bundle went from one agent to another. After a deletion of the bundle the names are gone."""

    id: str
    bundle_id: str
    from_agent: str | None
    to_agent: str | None
    note: str | None
    at: datetime
    key_id: Annotated[str | None, Field(description="The API key that was used.")]
    receipt_id: Annotated[str | None, Field(description="Anyone who knows it can check the receipt.")]


class HandOffList(Answer):
    """Hand-offs of a bundle, oldest first."""

    items: list[HandOffObject]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class ReceiptObject(Answer):
    """A signed statement that something was done with a bundle. It holds nothing of the content."""

    id: str
    bundle_id: str
    action: Action
    agent_id: Annotated[str | None, Field(description="As the caller named itself.")]
    key_id: Annotated[str | None, Field(description="The API key that was used.")]
    manifest_sha256: str
    signing_key_id: Annotated[str, Field(description="A key of /v1/keys/signing.")]
    issued_at: datetime


class Receipts(Answer):
    """Receipts of a bundle, oldest first."""

    items: list[ReceiptObject]
    next_cursor: Annotated[str | None, Field(description="Null on the last page.")]


class ReceiptCheck(Answer):
    """Something that was looked at."""

    name: Literal["signature", "record", "key", "bundle"]
    status: CheckStatus
    code: Annotated[str | None, Field(description="Why it did not pass.")]


class ReceiptVerification(ReceiptObject):
    """A receipt and whether it is genuine."""

    valid: Annotated[
        bool,
        Field(
            description="The receipt was signed here, and no check of it failed. How a verification of the "
            "bundle came out is in `claims`."
        ),
    ]
    claims: Annotated[
        dict[str, str],
        Field(
            description="What it states beside: `mode` and `verdict` of a verification, `format` of a "
            "download, `decision` of a review, `from_agent` and `to_agent` of a hand-off."
        ),
    ]
    bundle_deleted_at: datetime | None
    checks: list[ReceiptCheck]


class EnvelopeObject(Answer):
    """A DSSE envelope. Save it as it comes; `affidavit verify` reads it."""

    payload: Annotated[str, Field(description="An in-toto statement about manifest.json, in base64.")]
    payloadType: str  # noqa: N815 - the name of DSSE
    signatures: list[EnvelopeSignature]


class SigningKeyObject(Answer):
    """A public key. What it signed before `retired_at` stays valid."""

    key_id: Annotated[str, Field(description="SHA-256 of the DER, in hex.")]
    algorithm: Literal["Ed25519"]
    public_key: Annotated[str, Field(description="SubjectPublicKeyInfo, DER, in base64.")]
    pem: str
    vkey: Annotated[
        str | None, Field(description="For checkpoints of the log, as C2SP signed notes have it.")
    ]
    status: Annotated[
        Literal["active", "retiring", "retired"], Field(description="`retiring`: another one took over.")
    ]
    created_at: datetime
    retired_at: datetime | None


class SigningKeys(Answer):
    """All public keys of this installation, newest first; `affidavit verify --key` takes this answer."""

    log_origin: Annotated[str | None, Field(description="The name of this installation's log.")]
    keys: list[SigningKeyObject]


def render_hand_offs(bundle_id: str, page: EventPage) -> dict[str, Any]:
    """Return a page of hand-offs."""
    return {
        "items": [render_hand_off(bundle_id, each) for each in page.items],
        "next_cursor": page.next_cursor,
    }


def render_hand_off(bundle_id: str, event: EventView) -> dict[str, Any]:
    """Return a hand-off."""
    return {
        "id": event.id,
        "bundle_id": bundle_id,
        "from_agent": event.detail.get("from_agent"),
        "to_agent": event.detail.get("to_agent"),
        "note": event.detail.get("note"),
        "at": event.at,
        "key_id": event.key_id,
        "receipt_id": event.receipt_id,
    }


def render_receipts(page: ReceiptList) -> dict[str, Any]:
    """Return a page of receipts."""
    return {"items": [render_receipt(each) for each in page.items], "next_cursor": page.next_cursor}


def render_receipt(receipt: ReceiptView) -> dict[str, Any]:
    """Return a receipt without its envelope."""
    return {
        "id": receipt.id,
        "bundle_id": receipt.bundle_id,
        "action": receipt.action,
        "agent_id": receipt.agent_id,
        "key_id": receipt.key_id,
        "manifest_sha256": receipt.manifest_sha256,
        "signing_key_id": receipt.signing_key_id,
        "issued_at": receipt.created_at,
    }


def render_report(report: ReceiptReport) -> dict[str, Any]:
    """Return a receipt with what was found."""
    return {
        **render_receipt(report.receipt),
        "valid": report.is_valid,
        "claims": dict(report.claims),
        "bundle_deleted_at": report.deleted_at,
        "checks": [
            {"name": check.name, "status": check.status, "code": check.code} for check in report.checks
        ],
    }


def render_keys(keys: list[PublishedKey], origin: str | None) -> dict[str, Any]:
    """Return all keys."""
    now = datetime.now(UTC)
    return {"log_origin": origin, "keys": [_key(key, origin, now) for key in keys]}


def _key(key: PublishedKey, origin: str | None, now: datetime) -> dict[str, Any]:
    public = load_der_public_key(key.public)
    assert isinstance(public, Ed25519PublicKey)
    return {
        "key_id": key.id,
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(key.public).decode(),
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "vkey": None if origin is None else verifier_key(origin, raw_key(public)),
        "status": state(key, now),
        "created_at": key.created_at,
        "retired_at": key.retired_at,
    }
