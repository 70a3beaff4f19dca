"""What the endpoints of legal hold and deletion answer with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from affidavit.api.objects import Answer
from affidavit.jobs.keeping import Hold


class HoldObject(Answer):
    """Whether a bundle is under legal hold, with its job and all bundles of that."""

    bundle_id: str
    job_id: str
    legal_hold: bool
    reason: Annotated[str | None, Field(description="Null once it is lifted.")]
    changed_at: datetime
    key_id: Annotated[str, Field(description="The key that asked.")]
    bundles: Annotated[list[str], Field(description="All bundles of the job that are kept by it.")]


class EnvelopeSignature(Answer):
    """One signature of an envelope, by one key."""

    keyid: Annotated[str, Field(description="SHA-256 of the public key in DER: see /v1/keys/signing.")]
    sig: Annotated[str, Field(description="Ed25519, in base64.")]


class TombstoneObject(Answer):
    """A signed statement that a bundle was deleted: a DSSE envelope. Save it; `affidavit verify` reads it."""

    payload: Annotated[str, Field(description="An in-toto statement about manifest.json, in base64.")]
    payloadType: str  # noqa: N815 - the name of DSSE
    signatures: list[EnvelopeSignature]


def render_hold(hold: Hold) -> dict[str, Any]:
    """Return the object of a hold."""
    return {
        "bundle_id": hold.bundle_id,
        "job_id": hold.job_id,
        "legal_hold": hold.is_held,
        "reason": hold.reason,
        "changed_at": hold.changed_at,
        "key_id": hold.key_id,
        "bundles": list(hold.bundles),
    }
