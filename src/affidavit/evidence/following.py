"""Take up an earlier bundle: the contents of one that follows it, with all of its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from affidavit.bundle.envelope import EnvelopeError, open_envelope
from affidavit.bundle.report import Status
from affidavit.evidence.looking import record_check
from affidavit.evidence.manifest import (
    Artifact,
    Chunks,
    Contents,
    Pages,
    Parent,
    Relation,
    SourceFile,
)
from affidavit.evidence.signing_keys import PublishedKey, public_keys
from affidavit.evidence.views import SealedView


class ParentDamaged(Exception):
    """What the database says of a bundle is not what was sealed; nothing may be built on it."""


def contents_after(
    parent: SealedView,
    keys: Sequence[PublishedKey],
    environment_id: str,
    bundle_id: str,
    relation: Relation,
    sealed_at: datetime,
) -> Contents:
    """Return the contents of a bundle that has all files of its parent. Raises ParentDamaged.

    One of the keys must have signed the parent, and the rows must be what it signed: what follows is signed
    anew, and would be a seal on whatever somebody had put into the database.
    """
    said = _read(parent, keys)
    return Contents(
        bundle_id=bundle_id,
        environment_id=environment_id,
        job_id=said["job_id"],
        operation=said["operation"],
        attempt=said["attempt"],
        parent=Parent(parent.view.id, parent.view.manifest_sha256, relation),
        submitted_at=datetime.fromisoformat(said["times"]["submitted_at"]),
        sealed_at=sealed_at,
        source=_source(said["source"]),
        pages=Pages(**said["pages"]),
        options=said["options"],
        engine=said["engine"],
        chunks=Chunks(said["chunks"]["count"], said["chunks"]["root"]),
        artifacts=parent.artifacts,
        log_origin=said["log"]["origin"],
    )


def placed_after(artifacts: Sequence[Artifact], name: str, added: Artifact) -> list[Artifact]:
    """Return the files with another one after that of this name. Raises ParentDamaged when it is missing."""
    kept = [each for each in artifacts if each.name != added.name]
    names = [each.name for each in kept]
    if name not in names:
        raise ParentDamaged(name)
    at = names.index(name) + 1
    return [*kept[:at], added, *kept[at:]]


def _read(parent: SealedView, keys: Sequence[PublishedKey]) -> dict[str, Any]:
    """Return the manifest of a bundle once it is known to be the one, and its files those of the rows."""
    try:
        signed = open_envelope(parent.envelope, public_keys(keys))
    except EnvelopeError as error:
        raise ParentDamaged(error.code) from None
    if signed.manifest_sha256 != parent.view.manifest_sha256:
        raise ParentDamaged("manifest.dsse.json")
    record = record_check(parent)
    if record.status is Status.FAILED:
        raise ParentDamaged(record.detail)
    said: dict[str, Any] = json.loads(parent.manifest)
    if [each["name"] for each in said["artifacts"]] != [each.name for each in parent.artifacts]:
        raise ParentDamaged("artifacts")
    return said


def _source(said: Mapping[str, Any] | None) -> SourceFile | None:
    if said is None:
        return None
    return SourceFile(said["name"], said["url"], said["media_type"], said["size"], said["sha256"])
