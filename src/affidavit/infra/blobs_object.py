"""Keep blobs in an object store: S3, Google Cloud Storage, Azure or memory, through obstore."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from affidavit.infra.blobs_port import (
    CHUNK_BYTES,
    Blob,
    BlobCorrupt,
    BlobEntry,
    BlobHealth,
    BlobKeyInvalid,
    BlobMissing,
    BlobStream,
    StoreUnavailable,
    key,
)
from affidavit.infra.drafts import Draft, StagedDraft, draft_of, in_thread, staged, sweep_drafts

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

SINGLE_PUT_BYTES = 5 * 1024 * 1024  # above this a put is in parts, which no store can make conditional
# A blob younger than this is not written again. Far below what collectors spare, or a put could find what
# is collected before its reference is committed.
FRESH = timedelta(minutes=1)
# A collector marks a blob for two requests. Whoever puts the same bytes meanwhile waits this long at most.
SETTLE_TRIES = 50
SETTLE_SECONDS = 0.1
DEAD_MARK = timedelta(minutes=5)  # the requests of one that lives give up long before


def open_objects(url: str) -> ObjectStore:
    """Return obstore's store for a URL, whose query gives options. Raises ValueError for a bad one."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    plain = options.pop("allow_http", "false").lower() in ("1", "true", "yes")
    bare = parts._replace(query="").geturl()
    if parts.scheme == "memory":
        return from_url("memory:///")
    return from_url(bare, client_options={"allow_http": plain}, **options)  # type: ignore[arg-type, no-any-return, call-overload, unused-ignore]


class ObjectBlobs:
    """A BlobStore in a bucket. Uploads are staged as files in `scratch` and sent when committed."""

    def __init__(self, objects: ObjectStore, scratch: Path) -> None:
        self._objects = objects
        self._scratch = scratch

    async def put_file(self, environment_id: str, path: Path, sha256: str) -> Blob:
        key(environment_id, sha256)
        return await in_thread(self._put_file, environment_id, path, sha256)

    async def put_bytes(self, environment_id: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        key(environment_id, sha256)
        await in_thread(self._put, key(environment_id, sha256), data, len(data))
        return sha256

    def staging(self) -> AbstractAsyncContextManager[StagedDraft]:
        return staged(self._scratch, self._keep)

    async def open(self, environment_id: str, sha256: str) -> BlobStream:
        path = key(environment_id, sha256)
        try:
            found = await obstore.get_async(self._objects, path)
        except FileNotFoundError as error:
            raise BlobMissing(sha256) from error
        except BaseError as error:
            raise _unavailable(error) from error
        size_bytes = found.meta["size"]
        chunks = _verified(found.stream(min_chunk_size=CHUNK_BYTES), sha256)
        if size_bytes <= CHUNK_BYTES:  # as the local store: damage shows before anything is sent
            chunks = _replay([chunk async for chunk in chunks])
        return BlobStream(size_bytes, chunks)

    async def materialize(self, environment_id: str, sha256: str, target: Path) -> None:
        stream = await self.open(environment_id, sha256)
        draft = await in_thread(Draft, target)
        try:
            async for chunk in stream:
                await in_thread(draft.write, chunk)
            await in_thread(target.chmod, 0o400)
        except BaseException:
            draft.discard()
            raise
        draft.close()

    async def size(self, environment_id: str, sha256: str) -> int:
        return (await self._head(environment_id, sha256))["size"]

    async def exists(self, environment_id: str, sha256: str) -> bool:
        try:
            await self._head(environment_id, sha256)
        except BlobMissing:
            return False
        return True

    async def age(self, environment_id: str, sha256: str) -> timedelta:
        return _age(await self._head(environment_id, sha256))

    async def touch(self, environment_id: str, sha256: str) -> bool:
        """Write the blob over itself: the only way to a new date that every store offers."""
        path = key(environment_id, sha256)
        try:
            await obstore.put_async(self._objects, path, await obstore.get_async(self._objects, path))
        except FileNotFoundError:
            return False
        except BaseError as error:
            raise _unavailable(error) from error
        return True

    async def delete(self, environment_id: str, sha256: str, *, older_than: timedelta = timedelta(0)) -> bool:
        """As in the port. No bucket can judge an age and delete in one step, so a mark goes before both.

        A put that finds the blob there looks for the mark, and puts again what is gone after it.
        """
        path = key(environment_id, sha256)
        try:
            return await in_thread(self._delete, path, older_than)
        except BaseError as error:
            raise _unavailable(error) from error

    async def entries(self) -> AsyncIterator[BlobEntry]:
        try:
            async for page in obstore.list(self._objects, "env"):
                for found in page:
                    if (entry := _entry(found)) is not None:
                        yield entry
        except BaseError as error:
            raise _unavailable(error) from error

    async def sweep_staging(self, older_than: timedelta) -> int:
        return await in_thread(sweep_drafts, self._scratch, older_than)

    async def probe(self) -> BlobHealth:
        try:
            await obstore.put_async(self._objects, "probe", b"probe")
        except (BaseError, OSError) as error:
            return BlobHealth(is_writable=False, free_bytes=None, detail=str(_unavailable(error)))
        return BlobHealth(is_writable=True, free_bytes=None)

    async def _head(self, environment_id: str, sha256: str) -> ObjectMeta:
        try:
            return await obstore.head_async(self._objects, key(environment_id, sha256))
        except FileNotFoundError as error:
            raise BlobMissing(sha256) from error
        except BaseError as error:
            raise _unavailable(error) from error

    def _put_file(self, environment_id: str, path: Path, sha256: str) -> Blob:
        draft = draft_of(path, sha256, self._scratch)
        try:
            return self._keep(environment_id, draft)
        finally:
            draft.discard()

    def _keep(self, environment_id: str, draft: Draft) -> Blob:
        self._put(key(environment_id, draft.sha256), draft.path, draft.size_bytes)
        return Blob(draft.sha256, draft.size_bytes)

    def _put(self, path: str, content: bytes | Path, size_bytes: int) -> None:
        """Write once; an equal blob that is there already counts, and is renewed when it is old."""
        try:
            for _ in range(SETTLE_TRIES):
                if self._is_created(path, content, size_bytes):
                    return
                if not self._is_fresh(path, size_bytes):
                    obstore.put(self._objects, path, content)
                if self._is_settled(path):
                    return
        except BaseError as error:
            raise _unavailable(error) from error
        raise StoreUnavailable("the object store cannot be used: a collector does not come to its end")

    def _is_created(self, path: str, content: bytes | Path, size_bytes: int) -> bool:
        if size_bytes > SINGLE_PUT_BYTES:
            return False
        try:
            obstore.put(self._objects, path, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def _is_settled(self, path: str) -> bool:
        """Tell, after the blob was made young, that no collector that saw it old can still delete it.

        Without a mark none is at it: one that begins now finds it young, one that is done shows in what
        is left. The order of the two looks matters.
        """
        marked_for = self._age_of(_mark(path))
        if marked_for is not None and marked_for < DEAD_MARK:
            time.sleep(SETTLE_SECONDS)
            return False
        return self._age_of(path) is not None

    def _delete(self, path: str, older_than: timedelta) -> bool:
        if not self._is_marked_by_us(_mark(path)):
            return False
        try:
            if _age(obstore.head(self._objects, path)) < older_than:
                return False
            obstore.delete(self._objects, path)
        except FileNotFoundError:
            return False
        finally:
            obstore.delete(self._objects, _mark(path))
        return True

    def _is_marked_by_us(self, mark: str) -> bool:
        """Mark a blob as about to be deleted, unless another collector is at it; one that died is not."""
        try:
            obstore.put(self._objects, mark, b"", mode="create")
        except AlreadyExistsError:
            marked_for = self._age_of(mark)
            if marked_for is None or marked_for < DEAD_MARK:
                return False
            obstore.put(self._objects, mark, b"")
        return True

    def _age_of(self, path: str) -> timedelta | None:
        try:
            return _age(obstore.head(self._objects, path))
        except FileNotFoundError:
            return None

    def _is_fresh(self, path: str, size_bytes: int) -> bool:
        try:
            found = obstore.head(self._objects, path)
        except FileNotFoundError:
            return False
        return found["size"] == size_bytes and _age(found) < FRESH


async def _verified(source: AsyncIterator[object], sha256: str) -> AsyncIterator[bytes]:
    """Pass chunks on, each once the next is there, and the last when the whole has the right hash."""
    digest = hashlib.sha256()
    waiting = b""
    try:
        async for piece in source:
            if waiting:
                yield waiting
            waiting = bytes(piece)  # type: ignore[call-overload]
            digest.update(waiting)
    except BaseError as error:
        raise _unavailable(error) from error
    if digest.hexdigest() != sha256:
        raise BlobCorrupt(sha256, digest.hexdigest())
    if waiting:
        yield waiting


async def _replay(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _mark(path: str) -> str:
    return f"condemned/{path}"


def _age(found: ObjectMeta) -> timedelta:
    return max(timedelta(0), datetime.now(UTC) - found["last_modified"])


def _entry(found: ObjectMeta) -> BlobEntry | None:
    parts = found["path"].split("/")
    try:
        if len(parts) != 3 or key(parts[1], parts[2]) != found["path"]:
            return None
    except BlobKeyInvalid:
        return None
    return BlobEntry(parts[1], parts[2], found["size"], found["last_modified"])


def _unavailable(error: Exception) -> StoreUnavailable:
    """Say what kind of failure it was; the store's own words may hold addresses and signatures."""
    return StoreUnavailable(f"the object store cannot be used: {type(error).__name__}")
