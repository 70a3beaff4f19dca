"""Read zstd-compressed blobs as they stream, in flat memory whatever they hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import zstandard

from affidavit.infra.blobs_port import BlobCorrupt, BlobStore

WINDOW_BYTES = 8 * 1024 * 1024  # what RFC 8878 asks every decoder for; level 19 needs no more
BITE_BYTES = 256  # 4 compressed bytes may stand for 128 KiB, so a bite gives 8 MiB at the worst
OUTPUT_BYTES = 256 * 1024


async def stream_decompressed(store: BlobStore, environment_id: str, sha256: str) -> AsyncIterator[bytes]:
    """Yield the content of a zstd blob in pieces of about 256 KiB, 8 MiB at the worst.

    Raises BlobMissing; BlobCorrupt when the stored bytes are damaged, are not zstd, or end early.
    """
    blob = await store.open(environment_id, sha256)
    inflater = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
    try:
        async for chunk in blob:
            pieces = _pieces(inflater, chunk)
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
    except zstandard.ZstdError as error:
        raise BlobCorrupt(sha256, "no zstd frame") from error
    if not inflater.eof:
        raise BlobCorrupt(sha256, "a zstd frame without its end")


def _pieces(inflater: zstandard.ZstdDecompressionObj, chunk: bytes) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for start in range(0, len(chunk), BITE_BYTES):
        if inflater.eof:
            break
        waiting.append(inflater.decompress(chunk[start : start + BITE_BYTES]))
        size += len(waiting[-1])
        if size >= OUTPUT_BYTES:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if size:
        yield b"".join(waiting)
