"""Load documents with their truth: a schema, the data that fills it, and what of it is not printed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Step = str | int
Path_ = tuple[Step, ...]
SETS = ("zugferd", "invoice2data", "extract_bench")


@dataclass(frozen=True, slots=True)
class Truth:
    """A document and what it says. `hidden` are the places in `expected` that no page prints."""

    set: str
    id: str
    file: Path
    schema: dict[str, Any]
    expected: Any
    hidden: frozenset[Path_]


def load(folder: Path, sets: Sequence[str] = (), only: Sequence[str] = ()) -> Iterator[Truth]:
    """Yield the documents that have a schema and truth. `folder` holds the sets, or is one.

    `only` are parts of ids; without them, all. Raises SystemExit for a folder without truth.
    """
    homes = [folder] if (folder / "truth.jsonl").exists() else [folder / name for name in sets or SETS]
    homes = [home for home in homes if (home / "truth.jsonl").exists()]
    if not homes:
        raise SystemExit(f"{folder}: no truth.jsonl here, nor in {', '.join(sets or SETS)}")
    for home in homes:
        for line in (home / "truth.jsonl").read_text("utf-8").splitlines():
            told = json.loads(line)
            if told.get("schema") and told.get("expected") is not None and _is_wanted(told["id"], only):
                yield _truth(home, told)


def _is_wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(part in name for part in only)


def _truth(home: Path, told: dict[str, Any]) -> Truth:
    return Truth(
        set=home.name,
        id=told["id"],
        file=home / told["file"],
        schema=told["schema"],
        expected=told["expected"],
        hidden=frozenset(steps_of(pointer) for pointer in told.get("not_visible") or ()),
    )


def steps_of(pointer: str) -> Path_:
    """Return the steps of a JSON Pointer; digits are places in an array."""
    pieces = (piece.replace("~1", "/").replace("~0", "~") for piece in pointer.split("/")[1:])
    return tuple(int(piece) if piece.isdigit() else piece for piece in pieces)
