"""Say what a store of blobs promises: content-addressed, write-once, verified when read.

A key is `env/<environment_id>/<sha256>`; nothing is shared between environments. A blob that was
put is on the disk (or in the bucket) when the call returns, whole or not at all. Putting what is
already there succeeds and makes it young again, so that a collector spares it.

    BlobError
     ├─ BlobMissing       no such blob; also when it was collected
     ├─ BlobCorrupt       the bytes do not hash to the key
     ├─ BlobKeyInvalid    not an environment id or not a SHA-256
     └─ StoreUnavailable  the disk or the bucket cannot be used now; trying again may help
         └─ StoreFull     there is no space, or no quota, left
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol

CHUNK_BYTES = 1024 * 1024  # one thread hop (about 0.1 ms) a MiB; most results are one chunk

_ENVIRONMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class BlobError(Exception):
    """Base of what can go wrong with a blob. `retryable`: the same call may succeed later."""

    retryable: ClassVar[bool] = False


class BlobMissing(BlobError):
    def __init__(self, sha256: str) -> None:
        super().__init__(f"there is no blob {sha256}")
        self.sha256 = sha256


class BlobCorrupt(BlobError):
    def __init__(self, sha256: str, found: str) -> None:
        super().__init__(f"the bytes of blob {sha256} hash to {found}")
        self.sha256 = sha256
        self.found = found


class BlobKeyInvalid(BlobError):
    pass


class StoreUnavailable(BlobError):
    retryable = True


class StoreFull(StoreUnavailable):
    pass


@dataclass(frozen=True, slots=True)
class Blob:
    """The name and size of stored bytes."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """A blob as it lies in the store; `written_at` is when it was last put or touched, in UTC."""

    environment_id: str
    sha256: str
    size_bytes: int
    written_at: datetime


@dataclass(frozen=True, slots=True)
class BlobHealth:
    """Whether the store takes writes; `free_bytes` is None where nobody can know."""

    is_writable: bool
    free_bytes: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BlobStream:
    """An open blob: its whole size, and its bytes in chunks of up to 1 MiB, to be read once.

    The last chunk is given only after the whole has been hashed: a reader who got `size_bytes`
    bytes got the right ones, and one of a damaged blob gets BlobCorrupt instead of the end.
    """

    size_bytes: int
    chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks

    async def read(self) -> bytes:
        """Return all bytes; for blobs that are known to be small."""
        return b"".join([chunk async for chunk in self.chunks])


class StagedUpload(Protocol):
    """Bytes on their way in. They are no blob before `commit`, and are removed without it."""

    @property
    def size_bytes(self) -> int:
        """How many bytes were written so far."""

    async def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises StoreUnavailable."""

    async def commit(self, environment_id: str) -> Blob:
        """Make what was written a blob of this environment. Called once. Raises StoreUnavailable.

        What lies there already under the same hash counts only if it is sound.
        """


class BlobStore(Protocol):
    """Where bytes are kept. Every method may raise BlobKeyInvalid and StoreUnavailable."""

    async def put_file(self, environment_id: str, path: Path, sha256: str) -> Blob:
        """Store a copy of the file; `path` stays. Raises BlobCorrupt if it has another hash."""

    async def put_bytes(self, environment_id: str, data: bytes) -> str:
        """Store the bytes and return their SHA-256 in hex."""

    def staging(self) -> AbstractAsyncContextManager[StagedUpload]:
        """Open a place to stream an upload into; leaving it without a commit removes the bytes."""

    async def open(self, environment_id: str, sha256: str) -> BlobStream:
        """Open a blob for reading. Raises BlobMissing; BlobCorrupt when read, or at once if small."""

    async def materialize(self, environment_id: str, sha256: str, target: Path) -> None:
        """Write a verified, read-only copy to `target`, which must not exist.

        Always a copy: whoever owns a hard link could write to the blob itself. Raises
        BlobMissing, BlobCorrupt; `target` then does not exist.
        """

    async def size(self, environment_id: str, sha256: str) -> int:
        """Return the size in bytes. Raises BlobMissing."""

    async def exists(self, environment_id: str, sha256: str) -> bool:
        """Tell whether the blob is there."""

    async def age(self, environment_id: str, sha256: str) -> timedelta:
        """Return the time since the blob was last put or touched. Raises BlobMissing."""

    async def touch(self, environment_id: str, sha256: str) -> bool:
        """Make the blob young again; False when it is not there."""

    async def delete(self, environment_id: str, sha256: str, *, older_than: timedelta = timedelta(0)) -> bool:
        """Remove the blob unless it is younger than that; tell whether it is gone by this call."""

    def entries(self) -> AsyncIterator[BlobEntry]:
        """List every blob of every environment, in no order and in flat memory, for collection."""

    async def sweep_staging(self, older_than: timedelta) -> int:
        """Remove what abandoned uploads of dead processes left; return how many."""

    async def probe(self) -> BlobHealth:
        """Try to write; never raises."""


def key(environment_id: str, sha256: str) -> str:
    """Return `env/<environment_id>/<sha256>`. Raises BlobKeyInvalid for anything that could escape it."""
    if _ENVIRONMENT_ID.match(environment_id) is None:
        raise BlobKeyInvalid("an environment id has letters, digits, '_' and '-' only, 100 at most")
    if _SHA256.match(sha256) is None:
        raise BlobKeyInvalid("a SHA-256 is 64 lower-case hexadecimal digits")
    return f"env/{environment_id}/{sha256}"
