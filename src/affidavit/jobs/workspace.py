"""The folder of one task: the document, pages read before, and what the child leaves there.

The child owns its part of the folder and may be hostile, so nothing is opened there by following
links, and nothing is believed about a file but its hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from affidavit.infra.blobs import BlobCorrupt, BlobMissing, BlobStore

PLAIN_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}(\.[a-z0-9]{1,8}){1,2}")
COPIES_AT_ONCE: Final = 8


class OutputRejected(Exception):
    """What the child announced is not what lies there."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """`outer` is ours alone; `inner` is handed to the child."""

    outer: Path

    @property
    def inner(self) -> Path:
        """The child's folder."""
        return self.outer / "child"

    @property
    def document(self) -> Path:
        """Where the document is copied to, out of the child's reach but for its descriptor."""
        return self.outer / "document"

    async def put_document(self, blobs: BlobStore, environment_id: str, sha256: str) -> Path:
        """Copy the document here, verified. Raises what BlobStore.materialize raises."""
        await blobs.materialize(environment_id, sha256, self.document)
        return self.document

    async def put_pages(
        self, blobs: BlobStore, environment_id: str, pages: Mapping[int, str], name: str = "pages"
    ) -> set[int]:
        """Copy pages that were read before to where the child looks; return those that are gone."""
        folder = self.inner / name
        folder.mkdir()
        gate = asyncio.Semaphore(COPIES_AT_ONCE)

        async def put(number: int, sha256: str) -> int | None:
            async with gate:
                try:
                    await blobs.materialize(environment_id, sha256, folder / f"page-{number:04d}.json.zst")
                except (BlobMissing, BlobCorrupt):
                    return number
            return None

        found = await asyncio.gather(*(put(number, sha256) for number, sha256 in pages.items()))
        return {number for number in found if number is not None}

    async def take(self, name: str, size: int, sha256: str, limit: int) -> bytes:
        """Return a file that the child announced. Raises OutputRejected if it is another."""
        return await asyncio.to_thread(self._take, name, size, sha256, limit)

    def open_left(self, name: str) -> BinaryIO:
        """Open a file that the child left. Raises OutputRejected if it is no file of its own."""
        if PLAIN_NAME.fullmatch(name) is None:
            raise OutputRejected
        try:
            descriptor = os.open(self.inner / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise OutputRejected from None
        file = os.fdopen(descriptor, "rb")
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return file
        file.close()
        raise OutputRejected

    def _take(self, name: str, size: int, sha256: str, limit: int) -> bytes:
        if not 0 <= size <= limit:
            raise OutputRejected
        with self.open_left(name) as file:
            content = file.read(size + 1)
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            raise OutputRejected
        return content


@asynccontextmanager
async def open_workspace(scratch: Path, name: str) -> AsyncIterator[Workspace]:
    """Make the folder of one attempt, and remove it whatever happens."""
    workspace = Workspace(scratch / name)
    await asyncio.to_thread(workspace.inner.mkdir, parents=True)
    # The child's user must be able to pass through to its own part, and to read nothing else.
    workspace.outer.chmod(0o711)
    try:
        yield workspace
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, workspace.outer, ignore_errors=True))
