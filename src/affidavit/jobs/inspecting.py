"""Look into bundles behind the same walls as reading: the service's side of `evidence.inspection`.

What is in a bundle was written by a child that had a hostile document in its hands, so only another such
child parses it. Here it is hashed, and copied.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from affidavit.bundle import keys, manifest
from affidavit.bundle.container import ContainerError
from affidavit.bundle.manifest import Manifest, ManifestError
from affidavit.bundle.report import Check, Report, Status
from affidavit.bundle.text import CHUNKS, DOCUMENT, EXTRACTION, REVIEWED
from affidavit.errors import NotFound, ServiceError, Unavailable
from affidavit.evidence import signing_keys
from affidavit.evidence.inspection import BEFORE, Task
from affidavit.evidence.looking import look, record_check
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.rebuilding import rebuild
from affidavit.evidence.service import Bundles
from affidavit.evidence.signing_keys import PublishedKey
from affidavit.evidence.streaming import stream_artifact
from affidavit.evidence.views import BundleView, SealedView
from affidavit.infra.blobs import BlobCorrupt, BlobStore
from affidavit.infra.bubblewrap import Wrapping
from affidavit.infra.db import Database
from affidavit.infra.ids import new_id
from affidavit.infra.sandbox import Identity, SandboxHost, Walls
from affidavit.jobs.inspection_talk import Said
from affidavit.jobs.workspace import OutputRejected, Workspace, open_workspace

log = structlog.get_logger()

ENTRY: Final = "affidavit.evidence.inspection:run"
AT_ONCE: Final = 2  # each reads a whole bundle and holds its text in memory
WAITING: Final = 16  # for their turn; a bundle of 200 pages takes about a second
ANSWER_BYTES: Final = 64 * 1024 * 1024
OWN_WORD: Final = (
    "Anything against whoever rules this service: it checks itself, with keys from its own database. "
    "Download the bundle, and verify it offline with keys that you took before."
)
_LATER: Final = "The bundle could not be looked into now. Try again."


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found, one check after the other, and what no check can show."""

    view: BundleView
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]

    @property
    def verdict(self) -> Status:
        """Return what it comes to: `not_checked` when nothing is wrong and something was left out."""
        return Report(list(self.checks)).verdict

    @property
    def damaged(self) -> list[str]:
        """Return the files and citations that a failed check is about, each once."""
        failed = [check.entry for check in self.checks if check.status is Status.FAILED]
        return list(dict.fromkeys(entry for entry in failed if entry is not None))


class Inspector:
    """Verifies, cites and compares bundles, each time in a child of one host, which starts when needed.

    `authorities` are the certificates that a timestamp has to lead to.
    """

    def __init__(
        self,
        db: Database,
        blobs: BlobStore,
        bundles: Bundles,
        *,
        scratch: Path,
        walls: Walls,
        user: Identity | None,
        wrapping: Wrapping,
        authorities: Sequence[Certificate] = (),
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._bundles = bundles
        self._scratch = scratch
        self._walls = walls
        self._authorities = "".join(each.public_bytes(Encoding.PEM).decode() for each in authorities)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._host = SandboxHost(
            entry=ENTRY,
            warm_up=None,
            environment={},
            user=user,
            scratch=scratch / "inspection-host",
            wrapping=wrapping,
        )

    async def close(self) -> None:
        """End the host; what is under way ends with Unavailable."""
        await self._host.close()

    async def verify(self, environment_id: str, bundle_id: str) -> Verified:
        """Hash everything again and check signature, text, citations and proofs, as `affidavit verify` does.

        Raises NotFound, BundleDeleted; Unavailable when the child did not do it.
        """
        sealed = await self._bundles.sealed(environment_id, bundle_id)
        proofs = await self._bundles.proofs(environment_id, sealed)
        request = {"task": Task.VERIFY, "keys": await self._keys(), "authorities": self._authorities}
        async with self._turn() as workspace:
            try:
                found = await rebuild(self._blobs, environment_id, sealed, proofs, workspace.document)
            except ContainerError as wrong:
                failed = Check("storage", Status.FAILED, wrong.code, str(wrong), wrong.entry)
                return Verified(sealed.view, (failed,), ())
            said = await self._run(request, workspace, workspace.document)
        if not said.checks:
            raise Unavailable(_LATER)
        checks = (record_check(sealed), *found, *said.checks)
        return Verified(sealed.view, checks, (*said.not_proven, OWN_WORD))

    async def verify_quickly(self, environment_id: str, bundle_id: str) -> Verified:
        """Check the signature, and that every file is there, without reading one. Raises as `verify`."""
        sealed = await self._bundles.sealed(environment_id, bundle_id)
        trusted = keys.parse((await self._keys()).encode())
        found = await look(self._blobs, environment_id, sealed, trusted)
        checks = (record_check(sealed), *found)
        return Verified(sealed.view, checks, (*Report(list(checks)).not_proven, OWN_WORD))

    async def citations(self, environment_id: str, bundle_id: str, limit: int, after: str | None) -> bytes:
        """Return citations of a bundle as the JSON of an answer. Raises as `verify`, and BlobError."""
        sealed = await self._bundles.sealed(environment_id, bundle_id)
        request = {"task": Task.CITATIONS, "bundle": _named(sealed), "limit": limit, "after": after}
        async with self._turn() as workspace:
            await self._put(environment_id, sealed, workspace, (EXTRACTION, REVIEWED))
            return await self._answer(request, workspace)

    async def citation(self, environment_id: str, bundle_id: str, citation: str) -> bytes:
        """Return one citation, checked and with its proof. Raises as `citations`, and NotFound."""
        sealed = await self._bundles.sealed(environment_id, bundle_id)
        request = {
            "task": Task.CITATION,
            "bundle": _named(sealed),
            "citation": citation,
            "chunks": _manifest_of(sealed).value["chunks"],
        }
        async with self._turn() as workspace:
            await self._put(environment_id, sealed, workspace, (DOCUMENT, CHUNKS, EXTRACTION, REVIEWED))
            return await self._answer(request, workspace)

    async def diff(self, environment_id: str, bundle_id: str, against: str | None) -> bytes:
        """Return what changed since another bundle of its chain. Raises as `citations`, and Conflict."""
        other = await self._bundles.related(environment_id, bundle_id, against)
        before = await self._bundles.sealed(environment_id, other)
        after = await self._bundles.sealed(environment_id, bundle_id)
        request = {"task": Task.DIFF, "bundle": {**_named(after), **_compared(before, after)}}
        async with self._turn() as workspace:
            await self._put(environment_id, before, workspace, (EXTRACTION, REVIEWED), BEFORE)
            await self._put(environment_id, after, workspace, (EXTRACTION, REVIEWED))
            return await self._answer(request, workspace)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Workspace]:
        """Wait for a turn and open a folder. Raises Unavailable OVERLOADED when too many wait already."""
        if self._waiting >= WAITING:
            raise Unavailable(
                "Too many bundles are being looked into. Try again.", code="OVERLOADED", retry_after=5
            )
        self._waiting += 1
        try:
            await self._gate.acquire()
        finally:
            self._waiting -= 1
        try:
            async with open_workspace(self._scratch, new_id("inspect")) as workspace:
                yield workspace
        finally:
            self._gate.release()

    async def _put(
        self,
        environment_id: str,
        sealed: SealedView,
        workspace: Workspace,
        names: tuple[str, ...],
        prefix: str = "",
    ) -> None:
        """Copy files of a bundle to where the child looks, each held against its hash in the manifest."""
        digests = {artifact.name: artifact.sha256 for artifact in _manifest_of(sealed).artifacts}
        for artifact in sealed.artifacts:
            if artifact.name in names:
                target = workspace.inner / f"{prefix}{artifact.name}"
                await self._copy(environment_id, artifact, digests.get(artifact.name), target)

    async def _copy(self, environment_id: str, artifact: Artifact, sha256: str | None, target: Path) -> None:
        digest = hashlib.sha256()
        with target.open("xb") as file:
            async for chunk in stream_artifact(self._blobs, environment_id, artifact):
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
        if digest.hexdigest() != sha256:
            raise BlobCorrupt(artifact.blob_sha256, "bytes that were not sealed")

    async def _answer(self, request: Mapping[str, Any], workspace: Workspace) -> bytes:
        said = await self._run(request, workspace, None)
        try:
            told = said.answer
            return await workspace.take(
                str(told["file"]), int(told["size"]), str(told["sha256"]), ANSWER_BYTES
            )
        except (KeyError, TypeError, ValueError, OutputRejected):
            raise Unavailable(_LATER) from None

    async def _run(self, request: Mapping[str, Any], workspace: Workspace, document: Path | None) -> Said:
        said = Said()
        outcome = await self._host.run(
            request, document=document, workspace=workspace.inner, walls=self._walls, on_message=said.hear
        )
        if outcome.failure is None:
            return said
        match outcome.failure.code:
            case "NOT_FOUND":
                raise NotFound("citation")
            case "CONTENT_INVALID":
                raise ServiceError(
                    f"The content of the bundle cannot be read: {outcome.failure.message} Verify the bundle.",
                    code="STORED_BYTES_DAMAGED",
                )
        log.warning("inspection.failed", ending=outcome.ending, signal=outcome.signal, at=outcome.trace)
        raise Unavailable(_LATER)

    async def _keys(self) -> str:
        published = await signing_keys.published(self._db)
        return json.dumps({"keys": [_key(key) for key in published]})


def _manifest_of(sealed: SealedView) -> Manifest:
    """Return what was signed. Raises ServiceError when it is not what is on record."""
    try:
        found = manifest.parse(sealed.manifest)
    except ManifestError:
        found = None
    if found is None or hashlib.sha256(sealed.manifest).hexdigest() != sealed.view.manifest_sha256:
        raise ServiceError(
            "The manifest is not the one that was sealed. Verify the bundle.", code="STORED_BYTES_DAMAGED"
        )
    return found


def _named(sealed: SealedView) -> dict[str, object]:
    return {"bundle_id": sealed.view.id, "manifest_sha256": sealed.view.manifest_sha256}


def _compared(before: SealedView, after: SealedView) -> dict[str, object]:
    """Return what can be said without looking into the files."""
    ours, theirs = _digests(before), _digests(after)
    is_direct = after.view.parent_id == before.view.id
    return {
        "against": before.view.id,
        "relation": after.view.relation if is_direct else None,
        "same_source": before.view.source_sha256 == after.view.source_sha256,
        "same_text": ours.get(DOCUMENT) == theirs.get(DOCUMENT),
    }


def _digests(sealed: SealedView) -> dict[str, str]:
    return {artifact.name: artifact.sha256 for artifact in sealed.artifacts}


def _key(key: PublishedKey) -> dict[str, str | None]:
    body = base64.b64encode(key.public).decode()
    return {
        "key_id": key.id,
        "pem": f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n",
        "retired_at": None if key.retired_at is None else key.retired_at.isoformat(),
    }
