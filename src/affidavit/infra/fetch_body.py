"""Take an HTTP body in, decoded and counted piece by piece, so that no bomb ever unfolds."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

from affidavit.infra.fetch_errors import SourceTooLarge, Unreadable

PIECE_BYTES = 1024 * 1024  # what is gathered, and what decoding may give, at one time
ENCODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's wbits; 47 takes zlib and gzip headers
FRAMING_BYTES = 1024 * 1024  # how much more than the limit an encoded body may have on the wire


async def content(
    raw: AsyncIterator[bytes], encoding: str, host: str, limit_bytes: int
) -> AsyncIterator[bytes]:
    """Yield the decoded body in pieces of about 1 MiB. Raises SourceTooLarge, Unreadable."""
    decoded = raw if encoding in ("", "identity") else _decoded(raw, encoding, host, limit_bytes)
    waiting = bytearray()
    total = 0
    async for piece in decoded:
        total += len(piece)
        if total > limit_bytes:
            raise SourceTooLarge(limit_bytes)
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


async def _decoded(
    raw: AsyncIterator[bytes], encoding: str, host: str, limit_bytes: int
) -> AsyncIterator[bytes]:
    """Decode gzip and deflate; nothing else was asked for, and nothing is decoded twice."""
    if encoding not in ENCODINGS:
        raise Unreadable(host, "it is in an encoding that was not asked for")
    inflater = zlib.decompressobj(ENCODINGS[encoding])
    received = 0
    async for chunk in raw:
        received += len(chunk)
        if received > limit_bytes + FRAMING_BYTES:
            raise SourceTooLarge(limit_bytes)
        for piece in _inflated(inflater, chunk, host):
            yield piece
    if not inflater.eof:
        raise Unreadable(host, "its compressed data ends early")


def _inflated(inflater: zlib._Decompress, chunk: bytes, host: str) -> Iterator[bytes]:
    """Yield what a chunk stands for, at most PIECE_BYTES at a time."""
    is_full = True
    while chunk or is_full:
        if inflater.eof:
            if chunk:
                raise Unreadable(host, "something follows its compressed data")
            return
        try:
            piece = inflater.decompress(chunk, PIECE_BYTES)
        except zlib.error:
            raise Unreadable(host, "its compressed data is damaged") from None
        yield piece
        chunk = inflater.unused_data or inflater.unconsumed_tail
        is_full = len(piece) == PIECE_BYTES  # more may wait inside, with no input left
