"""Hash and compress a file as it passes by, a piece at a time, whatever its size."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import zstandard

from affidavit.bundle.merkle import Frontier
from affidavit.infra.blobs_port import CHUNK_BYTES
from affidavit.jobs.workspace import OutputRejected

LEVEL: Final = 3


@dataclass(slots=True)
class Digest:
    """SHA-256, CRC-32 and length of bytes so far."""

    crc32: int = 0
    size_bytes: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def update(self, piece: bytes) -> None:
        """Count further bytes."""
        self._sha256.update(piece)
        self.crc32 = zlib.crc32(piece, self.crc32)
        self.size_bytes += len(piece)

    @property
    def sha256(self) -> str:
        """Return the hash in hex."""
        return str(self._sha256.hexdigest())


class LineTree:
    """The Merkle tree over lines, of which none needs to be in memory as a whole."""

    def __init__(self) -> None:
        self._tree = Frontier()
        self._leaf = _new_leaf()
        self._is_begun = False

    def update(self, piece: bytes) -> None:
        """Take further bytes."""
        first, *others = piece.split(b"\n")
        self._extend(first)
        for line in others:
            self._end_line()
            self._extend(line)

    @property
    def count(self) -> int:
        """Return how many lines there were."""
        return self._tree.size

    def root(self) -> str:
        """Return the root in hex. Raises OutputRejected when the last line has no end."""
        if self._is_begun:
            raise OutputRejected
        return self._tree.root().hex()

    def _extend(self, part: bytes) -> None:
        self._leaf.update(part)
        self._is_begun = self._is_begun or bool(part)

    def _end_line(self) -> None:
        self._tree.append(self._leaf.digest())
        self._leaf = _new_leaf()
        self._is_begun = False


class Passing:
    """A file on its way into a store: `next` gives it compressed, and counts what it was."""

    def __init__(self, file: BinaryIO, size_bytes: int, lines: LineTree | None = None) -> None:
        self.digest = Digest()
        self.is_done = False
        self._file = file
        self._size_bytes = size_bytes
        self._lines = lines
        self._deflater = zstandard.ZstdCompressor(level=LEVEL).compressobj(size=size_bytes)

    def next(self) -> bytes:
        """Return the next compressed bytes. Raises OutputRejected when the file is not of its size."""
        piece = self._file.read(CHUNK_BYTES)
        self.digest.update(piece)
        if self.digest.size_bytes > self._size_bytes:
            raise OutputRejected
        if self._lines is not None:
            self._lines.update(piece)
        compressed = self._deflater.compress(piece)
        if len(piece) == CHUNK_BYTES:
            return compressed
        self.is_done = True
        if self.digest.size_bytes != self._size_bytes:
            raise OutputRejected
        return compressed + self._deflater.flush()


def _new_leaf() -> Any:
    return hashlib.sha256(b"\x00")
