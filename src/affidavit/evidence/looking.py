"""Check a bundle without reading its files: its record, its signature, and that all files are there."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from affidavit.bundle import manifest
from affidavit.bundle.envelope import BUNDLE, EnvelopeError, open_envelope
from affidavit.bundle.keys import Keys
from affidavit.bundle.manifest import ENVELOPE, MANIFEST, ManifestError
from affidavit.bundle.report import Check, Status
from affidavit.evidence.views import ArtifactView, SealedView
from affidavit.infra.blobs import BlobStore

LOOKS_AT_ONCE: Final = 16  # into the store; a bucket answers each in some 20 ms
QUICK: Final = "QUICK"
_LEFT_OUT: Final = {
    "artifact": "The files were not read.",
    "chunks": "The text was not read.",
    "citation": "The citations were not held against the text.",
    "log": "The proof of the log was not checked.",
    "timestamp": "The timestamp was not checked.",
}


async def look(blobs: BlobStore, environment_id: str, sealed: SealedView, keys: Keys) -> list[Check]:
    """Return the checks that need no file, and for the others that they were not made."""
    stored = await _storage_checks(blobs, environment_id, sealed.artifacts)
    left_out = [Check(name, Status.NOT_CHECKED, QUICK, detail) for name, detail in _LEFT_OUT.items()]
    return [_listed(sealed), _signature(sealed, keys), *stored, *left_out]


def record_check(sealed: SealedView) -> Check:
    """Hold the manifest against what the database, the job and the log know it by."""
    if hashlib.sha256(sealed.manifest).hexdigest() == sealed.view.manifest_sha256:
        return Check("record", Status.PASSED, None, "The manifest is the one on record.")
    detail = "The manifest has another SHA-256 than the one on record."
    return Check("record", Status.FAILED, "RECORD_WRONG", detail, MANIFEST)


def _listed(sealed: SealedView) -> Check:
    """Hold the list of files against the manifest."""
    try:
        listed = manifest.parse(sealed.manifest).artifacts
    except ManifestError as wrong:
        return Check("manifest", Status.FAILED, wrong.code, str(wrong), MANIFEST)
    ours = [(each.name, each.size_bytes, each.sha256) for each in sealed.artifacts]
    for expected, found in zip([(each.name, each.size, each.sha256) for each in listed], ours, strict=False):
        if expected != found:
            return Check("entries", Status.FAILED, "ENTRY_WRONG", "It is not as the manifest says.", found[0])
    if len(listed) != len(ours):
        return Check("entries", Status.FAILED, "ENTRY_MISSING", "The manifest has other files.", MANIFEST)
    return Check("entries", Status.PASSED, None, f"{len(ours):,} files, as the manifest says")


def _signature(sealed: SealedView, keys: Keys) -> Check:
    try:
        found = open_envelope(sealed.envelope, {name: key.public for name, key in keys.items()})
    except EnvelopeError as wrong:
        return Check("signature", Status.FAILED, wrong.code, str(wrong), ENVELOPE)
    digest = hashlib.sha256(sealed.manifest).hexdigest()
    if (found.predicate_type, found.manifest_sha256) != (BUNDLE, digest):
        detail = "What was signed is not this manifest."
        return Check("signature", Status.FAILED, "SUBJECT_WRONG", detail, ENVELOPE)
    return Check("signature", Status.PASSED, None, f"key {sealed.view.signing_key_id}", ENVELOPE)


async def _storage_checks(
    blobs: BlobStore, environment_id: str, artifacts: tuple[ArtifactView, ...]
) -> list[Check]:
    """Return a failed check for each file that is not in the store, or one that passed."""
    missing = await missing_of(blobs, environment_id, artifacts)
    detail = "It is no longer in the store."
    failed = [Check("storage", Status.FAILED, "STORED_BYTES_MISSING", detail, each.name) for each in missing]
    return failed or [Check("storage", Status.PASSED, None, f"{len(artifacts):,} files are there")]


async def missing_of(
    blobs: BlobStore, environment_id: str, artifacts: tuple[ArtifactView, ...]
) -> list[ArtifactView]:
    """Return the files that are not in the store, in their order. Raises StoreUnavailable."""
    gate = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def is_there(artifact: ArtifactView) -> bool:
        async with gate:
            return await blobs.exists(environment_id, artifact.blob_sha256)

    found = await asyncio.gather(*map(is_there, artifacts))
    return [artifact for artifact, is_stored in zip(artifacts, found, strict=True) if not is_stored]
