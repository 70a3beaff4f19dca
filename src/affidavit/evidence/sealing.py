"""Seal a bundle: spell its manifest, and sign a statement about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from affidavit.bundle.envelope import BUNDLE, Signer, seal_envelope, statement
from affidavit.evidence.manifest import Contents, manifest, moment


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """What was sealed, and the bytes that say so."""

    contents: Contents
    manifest: bytes
    manifest_sha256: str
    envelope: bytes
    signing_key_id: str


def seal(contents: Contents, signer: Signer) -> SealedBundle:
    """Seal what lies in the blob store. Raises ValueError for contents that no manifest can spell."""
    spelled = manifest(contents)
    digest = hashlib.sha256(spelled).hexdigest()
    said = {
        "bundle_id": contents.bundle_id,
        "job_id": contents.job_id,
        "sealed_at": moment(contents.sealed_at),
    }
    envelope = seal_envelope(statement(BUNDLE, digest, said), signer)
    return SealedBundle(contents, spelled, digest, envelope, signer.key_id)
