"""Seal what a person decided: a bundle that follows the machine's, with `reviewed.json` beside its files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import zstandard
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle.container import MAX_SIZE_BYTES
from affidavit.bundle.envelope import Signers
from affidavit.documents import references
from affidavit.engine.spec import TEXT_BYTES
from affidavit.errors import RequestInvalid
from affidavit.evidence import finding, repository
from affidavit.evidence.events import BundleEventType, note
from affidavit.evidence.following import ParentDamaged, contents_after, placed_after
from affidavit.evidence.manifest import Artifact, Contents, Encoding, Relation
from affidavit.evidence.receipts import Action, Deed, issue
from affidavit.evidence.sealing import SealedBundle, seal
from affidavit.evidence.signing_keys import PublishedKey, published
from affidavit.evidence.views import SealedView
from affidavit.infra.blobs import BlobCorrupt, BlobStore
from affidavit.infra.db import Database
from affidavit.infra.ids import new_id

NAME: Final = "reviewed.json"
BEFORE: Final = "extraction.json"  # which it stands after
LEVEL: Final = 3
ROOM_BYTES: Final = 16 << 20  # of a container, for names, manifest, envelope and proofs
TOO_LONG: Final = "What was decided is too long to be sealed with the document. Correct less at a time."


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decided about a result, and all that led to it. `said` is JSON."""

    environment_id: str
    parent_id: str
    decided_at: datetime
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewSealer:
    """Seals rulings. Everything is in the store before the transaction that decides."""

    db: Database
    blobs: BlobStore
    signers: Signers

    async def seal(self, ruling: Ruling, extraction: bytes | None) -> SealedBundle | None:
        """Seal what was decided; None when the machine's bundle is gone.

        `extraction` is what came of corrections, as a walled child wrote it. Raises RequestInvalid when it is
        too long, BlobCorrupt when the machine's bundle is not what was sealed, and what the store raises.
        """
        parent = await finding.find_sealed(self.db, ruling.environment_id, ruling.parent_id)
        if not isinstance(parent, SealedView):
            return None
        content = spelled(ruling.said, extraction)
        reviewed = await self._stored(ruling.environment_id, content)
        try:
            contents = _contents(parent, await published(self.db), ruling, reviewed)
        except ParentDamaged:
            raise BlobCorrupt(parent.view.manifest_sha256, "another") from None
        if max(len(content) - TEXT_BYTES, contents.size_bytes + ROOM_BYTES - MAX_SIZE_BYTES) > 0:
            raise RequestInvalid(TOO_LONG)
        return await asyncio.to_thread(seal, contents, self.signers.current())

    async def commit(self, session: AsyncSession, sealed: SealedBundle, deed: Deed, receipt_id: str) -> None:
        """Write the bundle and a receipt of the review, after the move of its job, in its transaction."""
        contents = sealed.contents
        assert contents.parent is not None
        digests = [each.blob_sha256 for each in contents.artifacts]
        await references.add(session, contents.environment_id, contents.bundle_id, digests)
        await repository.add(session, sealed, key_id=deed.key_id)
        signer = self.signers.current()
        await issue(session, signer, contents.bundle_id, deed, receipt_id=receipt_id)
        detail = {**deed.detail, "bundle_id": contents.bundle_id}
        await note(
            session, contents.parent.bundle_id, BundleEventType.REVIEWED, key_id=deed.key_id, detail=detail
        )

    async def _stored(self, environment_id: str, content: bytes) -> Artifact:
        packed = await asyncio.to_thread(zstandard.compress, content, LEVEL)
        stored = await self.blobs.put_bytes(environment_id, packed)
        await references.expect(self.db, environment_id, stored)  # another decision may be faster
        return Artifact(
            name=NAME,
            media_type="application/json",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            crc32=zlib.crc32(content),
            blob_sha256=stored,
            encoding=Encoding.ZSTD,
        )


def deed_of(decision: str, key_id: str) -> Deed:
    """Return what a review's receipt states."""
    claims = {"decision": decision}
    return Deed(Action.REVIEW, key_id, claims=claims, detail=claims)


def spelled(said: Mapping[str, Any], extraction: bytes | None) -> bytes:
    """Return `reviewed.json`. The extraction is put in as it is, unread.

    It comes first: a child that was taken over and wrote members of ours into it is outdone by those that
    follow, in all readers that take the last of two. Strict ones refuse both.
    """
    ours = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return b'{"extraction":' + (b"null" if extraction is None else extraction) + b"," + ours[1:]


def _contents(
    parent: SealedView, keys: Sequence[PublishedKey], ruling: Ruling, reviewed: Artifact
) -> Contents:
    contents = contents_after(
        parent, keys, ruling.environment_id, new_id("ev"), Relation.REVIEW, ruling.decided_at
    )
    return replace(contents, artifacts=placed_after(contents.artifacts, BEFORE, reviewed))
