"""Check a bundle without reading its files: its record, its signature, and that all files are there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Final

from affidavit.bundle import manifest
from affidavit.bundle.envelope import BUNDLE, EnvelopeError, open_envelope, read_envelope
from affidavit.bundle.keys import Keys
from affidavit.bundle.manifest import ENVELOPE, MANIFEST, Manifest, ManifestError
from affidavit.bundle.report import Check, Status
from affidavit.evidence.manifest import Artifact, moment
from affidavit.evidence.views import BundleView, SealedView
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
    """Hold what is on record against the manifest: a genuine bundle may lie in the place of another."""
    for what, entry in _differences(sealed):
        return Check("record", Status.FAILED, "RECORD_WRONG", f"On record is another {what}.", entry)
    return Check("record", Status.PASSED, None, "The manifest is the one on record.")


def _differences(sealed: SealedView) -> Iterator[tuple[str, str]]:
    """Yield what is not as the manifest has it, and the file that it is about."""
    if hashlib.sha256(sealed.manifest).hexdigest() != sealed.view.manifest_sha256:
        yield "SHA-256 of the manifest", MANIFEST
    try:
        said, key_id = manifest.parse(sealed.manifest), read_envelope(sealed.envelope).key_id
    except (ManifestError, EnvelopeError):
        return  # their own checks say so
    ours, theirs = _on_record(sealed.view), _as_sealed(said, key_id)
    yield from ((name.replace("_", " "), MANIFEST) for name in ours if ours[name] != theirs[name])
    listed = {each["name"]: each for each in said.value["artifacts"]}
    for row in sealed.artifacts:
        file = {"name": row.name, "media_type": row.media_type, "size": row.size_bytes, "sha256": row.sha256}
        if listed.get(row.name) != file:
            yield "file", row.name


def _on_record(view: BundleView) -> dict[str, object]:
    return {
        "bundle_id": view.id,
        "job_id": view.job_id,
        "operation": view.operation,
        "parent": None if view.parent_id is None else (view.parent_id, view.relation),
        "sealed_at": moment(view.sealed_at),
        "source": view.source_sha256,
        "chunks": (view.chunk_count, view.merkle_root),
        "artifact_count": view.artifact_count,
        "size": view.size_bytes,
        "signing_key": view.signing_key_id,
    }


def _as_sealed(said: Manifest, key_id: str) -> dict[str, object]:
    value = said.value
    parent, source, chunks = value["parent"], value["source"], value["chunks"]
    return {
        "bundle_id": value["bundle_id"],
        "job_id": value["job_id"],
        "operation": value["operation"],
        "parent": None if parent is None else (parent["bundle_id"], parent["relation"]),
        "sealed_at": value["times"]["sealed_at"],
        "source": None if source is None else source["sha256"],
        "chunks": (chunks["count"], chunks["root"]),
        "artifact_count": len(said.artifacts),
        "size": sum(artifact.size for artifact in said.artifacts),
        "signing_key": key_id,
    }


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
    blobs: BlobStore, environment_id: str, artifacts: tuple[Artifact, ...]
) -> list[Check]:
    """Return a failed check for each file that is not in the store, or one that passed."""
    missing = await missing_of(blobs, environment_id, artifacts)
    detail = "It is no longer in the store."
    failed = [Check("storage", Status.FAILED, "STORED_BYTES_MISSING", detail, each.name) for each in missing]
    return failed or [Check("storage", Status.PASSED, None, f"{len(artifacts):,} files are there")]


async def missing_of(
    blobs: BlobStore, environment_id: str, artifacts: tuple[Artifact, ...]
) -> list[Artifact]:
    """Return the files that are not in the store, in their order. Raises StoreUnavailable."""
    gate = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def is_there(artifact: Artifact) -> bool:
        async with gate:
            return await blobs.exists(environment_id, artifact.blob_sha256)

    found = await asyncio.gather(*map(is_there, artifacts))
    return [artifact for artifact, is_stored in zip(artifacts, found, strict=True) if not is_stored]
