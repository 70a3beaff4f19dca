"""The endpoints of legal hold and deletion of bundles."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api.endpoint import Body, Endpoint, Reply
from affidavit.api.examples import BUNDLE_ID, QUEUED_JOB
from affidavit.api.keeping_objects import HoldObject, TombstoneObject
from affidavit.api.keeping_wire import HoldBody
from affidavit.api.routes import keeping

_WRITE: Final = (Scope.BUNDLES_WRITE,)
_REASON: Final = "Litigation 2026-114, Smith"
_HELD: Final = {
    "bundle_id": BUNDLE_ID,
    "job_id": QUEUED_JOB["id"],
    "legal_hold": True,
    "reason": _REASON,
    "changed_at": "2026-11-20T09:30:00.000000Z",
    "key_id": "key_01m6y8c3v0e8q5j2w9r4t7n1xk",
    "bundles": [BUNDLE_ID],
}
_RELEASED: Final = {**_HELD, "legal_hold": False, "reason": None}
_TOMBSTONE: Final = {
    "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJwcmVkaWNhdGUiOnt9fQ==",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": "5f" * 32, "sig": "c2lnbmF0dXJl"}],
}

ENDPOINTS_OF_KEEPING: Final = (
    Endpoint(
        "DELETE",
        "/v1/bundles/{bundle_id}",
        keeping.delete,
        "bundles",
        "Delete a bundle",
        "Its files, the words in its history and the receipts that name somebody go; ids, times and the "
        "digest of its manifest stay. The answer is a signed tombstone. The result of its job stays until "
        "it expires: `DELETE /v1/jobs/{job_id}/content` takes both. Again gives the same tombstone.",
        (Reply(200, "The tombstone.", TombstoneObject, _TOMBSTONE),),
        codes=("NOT_FOUND", "JOB_NOT_FINISHED", "LEGAL_HOLD"),
        scopes=_WRITE,
    ),
    Endpoint(
        "GET",
        "/v1/bundles/{bundle_id}/tombstone",
        keeping.tombstone,
        "bundles",
        "Get the tombstone of a bundle",
        "What a deletion or the end of its time left: a statement of the installation, signed, which "
        "`affidavit verify` checks offline. It has ids, times and the digest of the manifest, and no name.",
        (Reply(200, "The tombstone.", TombstoneObject, _TOMBSTONE),),
        codes=("NOT_FOUND", "BUNDLE_NOT_DELETED"),
        scopes=(Scope.BUNDLES_READ,),
    ),
    Endpoint(
        "PUT",
        "/v1/bundles/{bundle_id}/legal-hold",
        keeping.hold,
        "bundles",
        "Put a bundle under legal hold",
        "Its job with all bundles, the result, the source and the pages are then neither deleted nor expire: "
        "409 `LEGAL_HOLD`. Again with another reason changes the reason. Its history tells who and why.",
        (Reply(200, "The hold.", HoldObject, _HELD),),
        codes=("NOT_FOUND", "BUNDLE_DELETED"),
        scopes=_WRITE,
        body=Body(HoldBody, {"case": {"summary": "For a case", "value": {"reason": _REASON}}}),
    ),
    Endpoint(
        "DELETE",
        "/v1/bundles/{bundle_id}/legal-hold",
        keeping.release,
        "bundles",
        "Lift a legal hold",
        "Of the bundle, its job and all bundles of that. What is over its time goes soon after.",
        (Reply(200, "What it is now.", HoldObject, _RELEASED),),
        codes=("NOT_FOUND", "BUNDLE_DELETED"),
        scopes=_WRITE,
    ),
)
