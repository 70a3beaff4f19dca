"""What tests of retention share: the application in process, and a search that looks everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import zstandard

from affidavit.infra.db import Database
from tests.api.conftest import anybody, api, database_url, hand, module_database_url, settings

__all__ = ["anybody", "api", "database_url", "hand", "module_database_url", "settings"]

TABLES = """
SELECT quote_ident(relname) AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""


async def rows_with(db: Database, words: Iterable[str]) -> set[str]:
    """Return `table: word` for every word that stands in any column of any row, bytea as hex included."""
    found = set()
    for table in await db.fetch(TABLES):
        for row in await db.fetch(f"SELECT t::text AS said FROM {table['name']} t"):
            for word in words:
                if word in row["said"] or word.encode().hex() in row["said"]:
                    found.add(f"{table['name']}: {word}")
    return found


def files_with(root: Path, words: Iterable[str], *, but: Iterable[Path] = ()) -> set[str]:
    """Return `path: word` for every word in any file below, compressed ones unpacked; `but` are left out."""
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(each) for each in but):
            content = unpacked(path.read_bytes())
            found |= {
                f"{path.relative_to(root)}: {word}"
                for word in words
                if word.encode() in content or word in path.name
            }
    return found


def unpacked(content: bytes) -> bytes:
    """Return the content with what it unpacks to, when it is zstd."""
    try:
        return content + zstandard.ZstdDecompressor().decompressobj().decompress(content)
    except zstandard.ZstdError:
        return content


def blobs_below(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("**/env/*/*") if path.is_file())


def make_blobs_old(root: Path) -> None:
    """Make all blobs so old that no collector spares them."""
    for path in blobs_below(root):
        os.utime(path, (1, 1))
