"""Write files aside, hashed while written, until a blob store takes them in."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from affidavit.infra.blobs_port import CHUNK_BYTES, Blob, BlobCorrupt, StoreFull, StoreUnavailable, key

P = ParamSpec("P")
T = TypeVar("T")

# Far above the longest upload: whoever wrote a draft that is older has died.
STALE: Final = timedelta(hours=1)
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run file work in a thread; an OSError comes back as StoreUnavailable, without its path."""
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        kind = StoreFull if error.errno in FULL else StoreUnavailable
        raise kind(f"the blob store cannot be used: {reason}") from error


class Draft:
    """A new file of mode 600, being written and hashed. Blocking; one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._is_synced = False
        self._file = os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b", buffering=0)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # an unbuffered write may take less than it was given
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size_bytes += len(data)
        self._is_synced = False

    def sync(self) -> None:
        """Make sure that the bytes are on the disk; costs nothing when they are."""
        if not self._is_synced:
            os.fsync(self._file.fileno())
            self._is_synced = True

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        """Close and remove the file, unless it has been moved away. May be called again."""
        try:
            self.close()  # which may fail: some filesystems tell of a full disk only here
        finally:
            self.path.unlink(missing_ok=True)


def new_draft(directory: Path) -> Draft:
    """Start a draft under a fresh name. The directory is made when it is missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Draft(directory / secrets.token_hex(16))


def draft_of(path: Path, sha256: str, directory: Path) -> Draft:
    """Copy a file into a new draft. Raises BlobCorrupt if it is not a file with that hash.

    The file may have been left by a hostile process: links are not followed, pipes not waited for.
    """
    draft = new_draft(directory)
    try:
        _copy_regular_file(path, draft)
        _check(draft, sha256)
    except BaseException:
        draft.discard()
        raise
    return draft


def _check(draft: Draft, sha256: str) -> None:
    if draft.sha256 != sha256:
        raise BlobCorrupt(sha256, draft.sha256)


def _copy_regular_file(path: Path, draft: Draft) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return  # hashes as empty
        while chunk := source.read(CHUNK_BYTES):
            draft.write(chunk)


def sweep_drafts(directory: Path, older_than: timedelta) -> int:
    """Remove drafts that nobody has written to for that long; return how many."""
    horizon = time.time() - older_than.total_seconds()
    swept = 0
    with suppress(FileNotFoundError), os.scandir(directory) as found:
        for item in found:
            with suppress(FileNotFoundError):
                if item.is_file(follow_symlinks=False) and item.stat().st_mtime <= horizon:
                    Path(item.path).unlink()
                    swept += 1
    return swept


class StagedDraft:
    """A StagedUpload over a draft, which is made by the first full chunk, in one hop with it."""

    def __init__(self, directory: Path, keep: Callable[[str, Draft], Blob]) -> None:
        self._directory = directory
        self._keep = keep
        self._draft: Draft | None = None
        self._waiting = bytearray()
        self._turn = threading.Lock()  # a canceled write goes on in its thread; discard waits for it
        self._is_over = False
        self.size_bytes = 0

    async def write(self, chunk: bytes) -> None:
        self._waiting += chunk
        self.size_bytes += len(chunk)
        if len(self._waiting) >= CHUNK_BYTES:
            await in_thread(self._flush)

    async def commit(self, environment_id: str) -> Blob:
        key(environment_id, "0" * 64)
        return await in_thread(self._commit, environment_id)

    async def discard(self) -> None:
        """Remove what is left, if anything."""
        if self.size_bytes and not self._is_over:
            await in_thread(self._discard)

    def _flush(self) -> None:
        with self._turn:
            self._written()

    def _written(self) -> Draft:
        if self._is_over:
            raise ValueError("this upload is over")
        if self._draft is None:
            self._draft = new_draft(self._directory)
        self._draft.write(bytes(self._waiting))
        self._waiting.clear()
        return self._draft

    def _commit(self, environment_id: str) -> Blob:
        with self._turn:
            draft = self._written()
            try:
                return self._keep(environment_id, draft)
            finally:
                draft.discard()
                self._is_over = True

    def _discard(self) -> None:
        with self._turn:
            self._is_over = True
            if self._draft is not None:
                self._draft.discard()


@asynccontextmanager
async def staged(directory: Path, keep: Callable[[str, Draft], Blob]) -> AsyncIterator[StagedDraft]:
    """Yield a staged upload and remove whatever is left of it at the end, also when canceled."""
    upload = StagedDraft(directory, keep)
    try:
        yield upload
    finally:
        await asyncio.shield(upload.discard())
