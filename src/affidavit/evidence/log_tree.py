"""Read the log from its tables: its end, the roots of its subtrees, and proofs made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import BigInteger, SmallInteger, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from affidavit.bundle import merkle
from affidavit.bundle.log_proof import write_log_proof
from affidavit.bundle.merkle import Frontier, Range
from affidavit.evidence.models import LogCheckpoint, LogEntry

_NODES: Final = text("""
SELECT w.place, l.hash FROM unnest(:levels, :places) WITH ORDINALITY AS w(level, n, place)
JOIN log_nodes l ON l.level = w.level AND l.n = w.n ORDER BY w.place
""").bindparams(bindparam("levels", type_=ARRAY(SmallInteger)), bindparam("places", type_=ARRAY(BigInteger)))


class LogDamaged(Exception):
    """What the tables hold is not the tree that was signed. Nothing may be appended to it."""


async def newest(session: AsyncSession) -> LogCheckpoint | None:
    """Return the newest checkpoint, None before the first."""
    return await session.scalar(select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1))


async def checkpoint_with(session: AsyncSession, index: int) -> LogCheckpoint | None:
    """Return the first checkpoint whose tree has this entry: once there, it is always the same."""
    found = select(LogCheckpoint).where(LogCheckpoint.size > index).order_by(LogCheckpoint.size).limit(1)
    return await session.scalar(found)


async def frontier(session: AsyncSession, size: int) -> Frontier:
    """Return the tree of the first `size` entries, to append to. Raises LogDamaged."""
    return Frontier(size, await _nodes(session, merkle.complete_subtrees((0, size))))


async def entry_count(session: AsyncSession) -> int:
    """Return how many entries there are, by the number of the last one."""
    last = await session.scalar(select(LogEntry.n).order_by(LogEntry.n.desc()).limit(1))
    return 0 if last is None else last + 1


async def root(session: AsyncSession, size: int) -> bytes:
    """Return the root hash of the first `size` entries. Raises LogDamaged."""
    return (await frontier(session, size)).root()


async def inclusion(session: AsyncSession, index: int, size: int) -> list[bytes]:
    """Return the proof that an entry is in the tree of the first `size` entries. Raises LogDamaged."""
    return await _subtrees(session, merkle.inclusion_ranges(index, size))


async def consistency(session: AsyncSession, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` entries begins that of `new`. Raises LogDamaged."""
    return await _subtrees(session, merkle.consistency_ranges(old, new))


async def proof(session: AsyncSession, index: int) -> bytes | None:
    """Return the proof of an entry as `proofs/log.tlog-proof` has it, None when no checkpoint has it yet.

    It is made against the first checkpoint with the entry, so its bytes never change.
    """
    found = await checkpoint_with(session, index)
    if found is None:
        return None
    return write_log_proof(index, await inclusion(session, index, found.size), found.note)


async def _subtrees(session: AsyncSession, ranges: Sequence[Range]) -> list[bytes]:
    """Return the roots over ranges of entries, each folded from the complete subtrees that are kept."""
    parts = [merkle.complete_subtrees(each) for each in ranges]
    hashes = iter(await _nodes(session, [node for part in parts for node in part]))
    return [merkle.fold([next(hashes) for _ in part]) for part in parts]


async def _nodes(session: AsyncSession, wanted: Iterable[tuple[int, int]]) -> list[bytes]:
    levels, places = [], []
    for level, place in wanted:
        levels.append(level)
        places.append(place)
    if not levels:
        return []
    rows = (await session.execute(_NODES, {"levels": levels, "places": places})).all()
    if len(rows) < len(levels):
        raise LogDamaged("nodes are missing")
    return [row.hash for row in rows]
