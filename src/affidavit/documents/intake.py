"""Take bytes in as they stream: counted, sniffed, and no blob before everything else was right."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from affidavit.documents.repository import Stored
from affidavit.engine.errors import EmptyDocument
from affidavit.engine.media import HEAD_BYTES, media_type_of
from affidavit.errors import TooLarge
from affidavit.infra import metrics
from affidavit.infra.blobs import BlobStore, StagedUpload


class Intake:
    """One file on its way in. Leaving the block without `commit` removes whatever was written."""

    def __init__(self, blobs: BlobStore, environment_id: str, max_bytes: int) -> None:
        self._blobs = blobs
        self._environment_id = environment_id
        self._max_bytes = max_bytes
        self._stack = AsyncExitStack()
        self._staged: StagedUpload | None = None
        self._head = bytearray()
        self._size_bytes = 0
        self.filename: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises TooLarge, StoreUnavailable."""
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise TooLarge(
                f"The file has more than {self._max_bytes} bytes. Send a smaller one, or split it.",
                code="FILE_TOO_LARGE",
            )
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        if self._staged is None:
            self._staged = await self._stack.enter_async_context(self._blobs.staging())
        await self._staged.write(chunk)
        metrics.UPLOADED_BYTES.inc(len(chunk))

    async def commit(self) -> Stored:
        """Keep the bytes and say what they are, by their content.

        Raises EmptyDocument, UnsupportedFormat, StoreUnavailable.
        """
        if self._staged is None or not self._size_bytes:
            raise EmptyDocument
        media_type = media_type_of(bytes(self._head), self.filename)
        blob = await self._staged.commit(self._environment_id)
        return Stored(blob.sha256, blob.size_bytes, media_type, self.filename)
