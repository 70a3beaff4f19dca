"""Keep blobs in a directory: written aside, synced, linked into place, the directory synced."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

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
from affidavit.infra.drafts import Draft, StagedDraft, draft_of, in_thread, new_draft, staged, sweep_drafts

SLICE: Final = 1000  # entries listed in one hop to a thread


class LocalBlobs:
    """A BlobStore in `root`: blobs under `env/`, drafts under `staging/`, on one filesystem."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._staging = root / "staging"

    async def put_file(self, environment_id: str, path: Path, sha256: str) -> Blob:
        key(environment_id, sha256)
        return await in_thread(self._put_file, environment_id, path, sha256)

    async def put_bytes(self, environment_id: str, data: bytes) -> str:
        key(environment_id, "0" * 64)
        return (await in_thread(self._put_bytes, environment_id, data)).sha256

    def staging(self) -> AbstractAsyncContextManager[StagedDraft]:
        return staged(self._staging, self._keep)

    async def open(self, environment_id: str, sha256: str) -> BlobStream:
        path = self._path(environment_id, sha256)
        reader = _Reader(path, sha256)
        first = await in_thread(reader.start)
        return BlobStream(reader.size_bytes, _chunks(reader, first))

    async def materialize(self, environment_id: str, sha256: str, target: Path) -> None:
        await in_thread(_copy_verified, self._path(environment_id, sha256), sha256, target)

    async def size(self, environment_id: str, sha256: str) -> int:
        return (await in_thread(self._stat, environment_id, sha256)).st_size

    async def exists(self, environment_id: str, sha256: str) -> bool:
        return await in_thread(self._path(environment_id, sha256).exists)

    async def age(self, environment_id: str, sha256: str) -> timedelta:
        status = await in_thread(self._stat, environment_id, sha256)
        return timedelta(seconds=max(0.0, time.time() - status.st_mtime))

    async def touch(self, environment_id: str, sha256: str) -> bool:
        return await in_thread(self._touch, self._path(environment_id, sha256))

    async def delete(self, environment_id: str, sha256: str, *, older_than: timedelta = timedelta(0)) -> bool:
        return await in_thread(self._delete, self._path(environment_id, sha256), older_than)

    async def entries(self) -> AsyncIterator[BlobEntry]:
        for environment in await in_thread(_names, self._root / "env"):
            found = self._entries_of(environment)
            try:
                while entries := await in_thread(list, islice(found, SLICE)):
                    for entry in entries:
                        yield entry
            finally:
                found.close()

    async def sweep_staging(self, older_than: timedelta) -> int:
        return await in_thread(sweep_drafts, self._staging, older_than)

    async def probe(self) -> BlobHealth:
        try:
            return await in_thread(self._probe)
        except StoreUnavailable as error:
            return BlobHealth(is_writable=False, free_bytes=None, detail=str(error))

    def _path(self, environment_id: str, sha256: str) -> Path:
        return self._root / key(environment_id, sha256)

    def _stat(self, environment_id: str, sha256: str) -> os.stat_result:
        try:
            return self._path(environment_id, sha256).stat()
        except FileNotFoundError as error:
            raise BlobMissing(sha256) from error

    def _put_bytes(self, environment_id: str, data: bytes) -> Blob:
        draft = new_draft(self._staging)
        try:
            draft.write(data)
            return self._keep(environment_id, draft)
        finally:
            draft.discard()

    def _put_file(self, environment_id: str, path: Path, sha256: str) -> Blob:
        draft = draft_of(path, sha256, self._staging)
        try:
            return self._keep(environment_id, draft)
        finally:
            draft.discard()

    def _keep(self, environment_id: str, draft: Draft) -> Blob:
        """Link the draft to its key. The draft's own name is removed by whoever made it."""
        path = self._path(environment_id, draft.sha256)
        is_there = _is_sound(path, draft)
        if not is_there:
            draft.sync()  # the slow part, before the lock
        with self._lock(fcntl.LOCK_SH):
            if not (is_there and self._touch(path)):
                draft.sync()
                self._place(draft.path, path)
        _sync_directory(path.parent)
        return Blob(draft.sha256, draft.size_bytes)

    def _place(self, draft: Path, path: Path) -> None:
        """Move the draft over its key: whole or not at all, and healing a damaged blob."""
        try:
            draft.rename(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(path.parent.parent)
            draft.rename(path)

    def _touch(self, path: Path) -> bool:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def _delete(self, path: Path, older_than: timedelta) -> bool:
        with self._lock(fcntl.LOCK_EX):
            try:
                if time.time() - path.stat().st_mtime < older_than.total_seconds():
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        _sync_directory(path.parent)
        return True

    @contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        """Let puts run together and deletions alone: a blob that was just found is not collected."""
        descriptor = os.open(self._root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _entries_of(self, environment_id: str) -> Generator[BlobEntry, None, None]:
        with suppress(FileNotFoundError), os.scandir(self._root / "env" / environment_id) as found:
            for item in found:
                with suppress(FileNotFoundError, BlobKeyInvalid):
                    key(environment_id, item.name)
                    status = item.stat(follow_symlinks=False)
                    written_at = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield BlobEntry(environment_id, item.name, status.st_size, written_at)

    def _probe(self) -> BlobHealth:
        draft = new_draft(self._staging)
        try:
            draft.write(b"probe")
            draft.sync()
        finally:
            draft.discard()
        return BlobHealth(is_writable=True, free_bytes=shutil.disk_usage(self._root).free)


class _Reader:
    """Read a blob front to back, one chunk ahead, so that the end is known before it is given."""

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self._sha256 = sha256
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._read_bytes = 0
        self.size_bytes = 0

    @property
    def is_done(self) -> bool:
        return self._file is None

    def start(self) -> bytes:
        """Open and return the first chunk. Raises BlobMissing, BlobCorrupt."""
        try:
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise BlobMissing(self._sha256) from error
        self.size_bytes = os.fstat(self._file.fileno()).st_size
        return self.next()

    def next(self) -> bytes:
        """Return the next chunk; the last only if all were right. Raises BlobCorrupt."""
        assert self._file is not None
        chunk = self._file.read(CHUNK_BYTES)
        self._hash.update(chunk)
        self._read_bytes += len(chunk)
        if not chunk or self._read_bytes >= self.size_bytes:
            self.close()
            if self._hash.hexdigest() != self._sha256:
                raise BlobCorrupt(self._sha256, self._hash.hexdigest())
        return chunk

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


async def _chunks(reader: _Reader, first: bytes) -> AsyncIterator[bytes]:
    try:
        if first:
            yield first
        while not reader.is_done:
            chunk = await in_thread(reader.next)
            if chunk:
                yield chunk
    finally:
        reader.close()


def _copy_verified(path: Path, sha256: str, target: Path) -> None:
    draft = Draft(target)
    try:
        reader = _Reader(path, sha256)
        draft.write(reader.start())
        while not reader.is_done:
            draft.write(reader.next())
        target.chmod(0o400)
    except BaseException:
        draft.discard()
        raise
    draft.close()


def _is_sound(path: Path, draft: Draft) -> bool:
    """Tell whether the same bytes lie there; damaged ones of the right size would live on otherwise."""
    reader = _Reader(path, draft.sha256)
    try:
        if path.stat().st_size != draft.size_bytes:
            return False
        reader.start()
        while not reader.is_done:
            reader.next()
    except (OSError, BlobMissing, BlobCorrupt):
        return False
    finally:
        reader.close()
    return True


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(directory: Path) -> list[str]:
    try:
        return sorted(path.name for path in directory.iterdir())
    except FileNotFoundError:
        return []
