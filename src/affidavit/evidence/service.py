"""The use cases of bundles that need no more than the database and the stored bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from affidavit.bundle.container import ContainerError
from affidavit.bundle.manifest import LOG_PROOF, TIMESTAMP
from affidavit.errors import BundleDeleted, Conflict, NotFound, ServiceError
from affidavit.evidence import finding, log_tree
from affidavit.evidence.looking import missing_of
from affidavit.evidence.manifest import Artifact
from affidavit.evidence.packing import Package, PackageFormat, pack
from affidavit.evidence.paging import bundle_cursor, event_cursor, render_cursor
from affidavit.evidence.streaming import stream_artifact, stream_package
from affidavit.evidence.views import (
    BundlePage,
    BundleView,
    EventPage,
    Follower,
    SealedView,
)
from affidavit.infra.blobs import BlobMissing, BlobStore
from affidavit.infra.db import Database
from affidavit.infra.ids import is_id


@dataclass(frozen=True, slots=True)
class BundleFilter:
    """Which bundles to list; None: all."""

    job_id: str | None = None
    sealed_after: datetime | None = None
    sealed_before: datetime | None = None
    is_deleted: bool | None = False


@dataclass(frozen=True, slots=True)
class BundleDetail:
    """A bundle with its files and the bundles that follow it."""

    view: BundleView
    artifacts: tuple[Artifact, ...]
    followers: tuple[Follower, ...]


class Bundles:
    """The use cases. Each takes the caller's environment and sees nothing outside of it."""

    def __init__(self, db: Database, blobs: BlobStore) -> None:
        self._db = db
        self._blobs = blobs

    async def get(self, environment_id: str, bundle_id: str) -> BundleDetail:
        """Return a bundle. Raises NotFound, BundleDeleted."""
        view = await self.look(environment_id, bundle_id)
        if view.deleted_at is not None:
            raise _deleted(view)
        artifacts = await finding.find_artifacts(self._db, environment_id, bundle_id)
        followers = await finding.find_followers(self._db, environment_id, bundle_id)
        return BundleDetail(view, artifacts, followers)

    async def look(self, environment_id: str, bundle_id: str) -> BundleView:
        """Return what is known of a bundle, deleted or not. Raises NotFound."""
        _check_id(bundle_id)
        view = await finding.find(self._db, environment_id, bundle_id)
        return _missing() if view is None else view

    async def sealed(self, environment_id: str, bundle_id: str) -> SealedView:
        """Return a bundle with all that its content is made of. Raises NotFound, BundleDeleted."""
        _check_id(bundle_id)
        found = await finding.find_sealed(self._db, environment_id, bundle_id)
        if found is None:
            _missing()
        if isinstance(found, BundleView):
            raise _deleted(found)
        return found

    async def list(
        self, environment_id: str, wanted: BundleFilter, limit: int, cursor: str | None = None
    ) -> BundlePage:
        """Return bundles, newest first. Raises RequestInvalid for a cursor that is not ours."""
        found = await finding.find_many(
            self._db,
            environment_id,
            before=bundle_cursor(cursor),
            job_id=wanted.job_id,
            sealed_after=wanted.sealed_after,
            sealed_before=wanted.sealed_before,
            is_deleted=wanted.is_deleted,
            limit=limit + 1,
        )
        shown = tuple(found[:limit])
        return BundlePage(shown, render_cursor(shown[-1].id) if len(found) > limit else None)

    async def history(
        self, environment_id: str, bundle_id: str, limit: int, cursor: str | None = None
    ) -> EventPage:
        """Return what happened to a bundle, oldest first, also after its deletion.

        Raises NotFound, and RequestInvalid for a cursor that is not ours.
        """
        after = event_cursor(cursor)
        await self.look(environment_id, bundle_id)
        found = await finding.find_events(self._db, environment_id, bundle_id, after, limit + 1)
        shown = tuple(found[:limit])
        return EventPage(shown, render_cursor(str(shown[-1].seq)) if len(found) > limit else None)

    async def proofs(self, environment_id: str, sealed: SealedView) -> dict[str, bytes]:
        """Return the unsigned files that a bundle has by now, by their names."""
        found = {LOG_PROOF: None, TIMESTAMP: sealed.timestamp_token}
        if sealed.view.log_index is not None:
            async with self._db.begin(environment_id) as session:
                found[LOG_PROOF] = await log_tree.proof(session, sealed.view.log_index)
        return {name: content for name, content in found.items() if content is not None}

    async def package(self, environment_id: str, bundle_id: str, form: PackageFormat) -> Package:
        """Lay a bundle out as one file to send. Raises NotFound, BundleDeleted, ServiceError."""
        sealed = await self.sealed(environment_id, bundle_id)
        try:
            return pack(sealed, await self.proofs(environment_id, sealed), form)
        except ContainerError as wrong:  # the rows are not those that were written
            raise ServiceError(
                f"The bundle cannot be put together: {wrong} Verify it.", code="STORED_BYTES_DAMAGED"
            ) from wrong

    async def require_stored(self, environment_id: str, package: Package) -> None:
        """Raise BlobMissing if a file of a package is not in the store: better now than on the way."""
        files = tuple(part for part in package.parts if isinstance(part, Artifact))
        for missing in await missing_of(self._blobs, environment_id, files):
            raise BlobMissing(missing.blob_sha256)

    def stream(
        self, environment_id: str, package: Package, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Return the bytes of a package from `start` to `stop`, exclusive. Raises BlobError on the way."""
        return stream_package(self._blobs, environment_id, package, start, stop)

    async def artifact(self, environment_id: str, bundle_id: str, name: str) -> Artifact:
        """Return a file of a bundle by its name. Raises NotFound, BundleDeleted."""
        sealed = await self.sealed(environment_id, bundle_id)
        found = [artifact for artifact in sealed.artifacts if artifact.name == name]
        if not found:
            raise NotFound("file in this bundle")
        return found[0]

    def stream_artifact(self, environment_id: str, artifact: Artifact) -> AsyncIterator[bytes]:
        """Return the bytes of one file. Raises BlobError on the way."""
        return stream_artifact(self._blobs, environment_id, artifact)

    async def related(self, environment_id: str, bundle_id: str, against: str | None) -> str:
        """Return the bundle to compare one with: the named one, or the one before it.

        Raises NotFound; BundleDeleted; Conflict BUNDLE_HAS_NO_PARENT, or BUNDLES_UNRELATED for one of
        another chain.
        """
        view = (await self.get(environment_id, bundle_id)).view
        other = against or view.parent_id
        if other is None:
            raise Conflict(
                "This bundle follows no other one. Name the bundle to compare it with as against=.",
                code="BUNDLE_HAS_NO_PARENT",
            )
        await self.get(environment_id, other)
        if not await finding.are_chained(self._db, environment_id, bundle_id, other):
            raise Conflict(
                "These bundles do not come from the same first one: their fields do not answer each other.",
                code="BUNDLES_UNRELATED",
            )
        return other


def _check_id(bundle_id: str) -> None:
    if not is_id(bundle_id, "ev"):
        _missing()


def _deleted(view: BundleView) -> BundleDeleted:
    assert view.deleted_at is not None
    return BundleDeleted(view.id, view.deleted_at, view.deleted_by)


def _missing() -> NoReturn:
    raise NotFound("bundle")
