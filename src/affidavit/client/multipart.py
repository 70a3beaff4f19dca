"""Stream files as multipart/form-data, from the start again for every attempt."""

from __future__ import annotations

import io
import mimetypes
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 256 * 1024

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file to send: a path that is opened for each attempt, or a seekable file that is rewound."""

    content: Path | BinaryIO
    filename: str
    start: int
    size_bytes: int

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        if isinstance(self.content, Path):
            with self.content.open("rb") as file:
                yield file
        else:
            self.content.seek(self.start)
            yield self.content


def file_part(source: Path | bytes | BinaryIO, filename: str | None = None) -> FilePart:
    """Describe what to send. A file that cannot seek is read into memory, to be able to try again.

    Raises OSError when the path cannot be read.
    """
    if isinstance(source, Path):
        return FilePart(source, filename or source.name, 0, source.stat().st_size)
    if isinstance(source, bytes):
        return FilePart(io.BytesIO(source), filename or "document", 0, len(source))
    name = filename or Path(str(getattr(source, "name", "document"))).name
    if not source.seekable():
        return file_part(source.read(), name)
    start = source.tell()
    size_bytes = source.seek(0, io.SEEK_END) - start
    return FilePart(source, name, start, size_bytes)


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """A form with text fields first and one file last. `on_progress` gets bytes sent and in all."""

    file: FilePart
    fields: Mapping[str, str] = field(default_factory=dict)
    on_progress: OnProgress | None = None
    boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": f"multipart/form-data; boundary={self.boundary}",
            "Content-Length": str(self.size_bytes),
        }

    @property
    def size_bytes(self) -> int:
        return len(self._head()) + self.file.size_bytes + len(self._tail())

    def chunks(self) -> Iterator[bytes]:
        """Yield the whole body. Raises ValueError if the file changed its size meanwhile."""
        sent = 0
        for chunk in self._chunks():
            yield chunk
            sent += len(chunk)
            if self.on_progress is not None:
                self.on_progress(sent, self.size_bytes)

    async def achunks(self) -> AsyncIterator[bytes]:
        """Yield the same for an asynchronous sender."""
        for chunk in self.chunks():
            yield chunk

    def _chunks(self) -> Iterator[bytes]:
        yield self._head()
        left = self.file.size_bytes
        with self.file.opened() as file:
            while left:
                chunk = file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise ValueError(f"{self.file.filename} became shorter while it was sent")
                left -= len(chunk)
                yield chunk
        yield self._tail()

    def _head(self) -> bytes:
        parts = [self._part(f'name="{_quoted(name)}"', text) for name, text in self.fields.items()]
        media_type = mimetypes.guess_type(self.file.filename)[0] or "application/octet-stream"
        disposition = f'name="file"; filename="{_quoted(self.file.filename)}"\r\nContent-Type: {media_type}'
        return "".join([*parts, self._part(disposition, "").removesuffix("\r\n")]).encode()

    def _part(self, disposition: str, text: str) -> str:
        return f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{text}\r\n"

    def _tail(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()


def _quoted(name: str) -> str:
    """Escape a name as browsers do (WHATWG, multipart/form-data)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
