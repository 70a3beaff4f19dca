"""The items found for arrays: values by leaf, and the items of arrays in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from affidavit.engine.stages.fields.candidates import Candidate

Path = tuple[str, ...]
Record = dict[str, Candidate]


@dataclass(frozen=True)
class Entry:
    """One item: a candidate by leaf key, and the items of each array in it by the array's path."""

    record: Record
    arrays: Mapping[Path, tuple[Entry, ...]] = field(default_factory=dict)

    def candidates(self) -> Iterator[Candidate]:
        """Yield all values of the item, those of inner items too."""
        yield from self.record.values()
        for entries in self.arrays.values():
            for entry in entries:
                yield from entry.candidates()


@dataclass(frozen=True)
class Found:
    """The items that one place of the document holds; `rows` are the view's that it takes."""

    entries: tuple[Entry, ...]
    rows: frozenset[int]
    score: float


def found(entries: Iterable[Entry], rows: frozenset[int], worth: float = 1.0) -> Found:
    """Return items with their score: what all their values are worth."""
    kept = tuple(entries)
    return Found(kept, rows, worth * sum(each.score for entry in kept for each in entry.candidates()))
