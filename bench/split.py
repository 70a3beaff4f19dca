"""How well packets are split into their documents, and whether single documents stay whole.

    python bench/split.py FOLDER [--set NAME]... [--packets 20] [--seed 1] [--longest 60] [--errors]

FOLDER holds sets of documents, each with a `truth.jsonl`. Packets of 3 to 8 documents are concatenated from
their PDFs by the seed; every second packet has blank pages between some. The same run shows two simpler ways:
a boundary at every page, and one wherever page numbers begin anew. The exit status is 1 below the targets.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

from accuracy import report
from accuracy import split as packeting
from accuracy.reading import Shelf
from accuracy.split import Member, Taken

from affidavit.engine.errors import EngineError
from affidavit.engine.operations.shapes.split import SplitParameters
from affidavit.engine.operations.split import split

CACHE = Path(tempfile.gettempdir()) / "affidavit-accuracy"
LEAST_F1 = 0.85
LEAST_WHOLE = 0.95


def main() -> None:
    given = _arguments()
    shelf = Shelf(given.cache, stale=given.stale)
    found = packeting.members(given.folder, given.set)
    taken = []
    for packet in packeting.packets(found, given.packets, given.seed, given.cache / "packets"):
        print(packet.file.name, end="\r", file=sys.stderr, flush=True)
        taken.append(packeting.take_apart(packet, shelf.document(packet.truth)))
    f1 = _show_packets(taken)
    share = _show_singles(found, shelf, given)
    if given.errors:
        _show_errors(taken)
    sys.exit(f1 < LEAST_F1 or share < LEAST_WHOLE)


def _show_packets(taken: Sequence[Taken]) -> float:
    wanted = [each.packet.boundaries for each in taken]
    ways = {
        "ours": [each.ours for each in taken],
        "page numbers alone": [each.page_numbers for each in taken],
        "every page": [each.every_page for each in taken],
    }
    print(f"{len(taken)} packets, {sum(map(len, wanted))} boundaries\n")
    rows = []
    for name, found in ways.items():
        pairs = list(zip(found, wanted, strict=True))
        whole = sum(one == other for one, other in pairs)
        rows.append([name, *packeting.scores(pairs), f"{whole} of {len(pairs)}"])
    report.table(["boundaries", "precision", "recall", "F1", "packets all right"], rows)
    right, pages = sum(each.right_classes for each in taken), sum(each.classes for each in taken)
    print(f"page classes: {right} of {pages} right ({right / max(1, pages):.3f})\n")
    return float(rows[0][3])


def _show_singles(found: Sequence[Member], shelf: Shelf, given: argparse.Namespace) -> float:
    by_set: dict[str, list[bool]] = {}
    for member in found:
        if 1 < member.pages <= given.longest:
            print(member.id, end="\r", file=sys.stderr, flush=True)
            try:
                document = shelf.document(packeting.truth_of(member.id, member.file))
            except EngineError:
                continue
            parts = split(document, SplitParameters()).parts
            by_set.setdefault(member.file.parents[1].name, []).append(len(parts) == 1)
            if given.errors and len(parts) > 1:
                print(f"{member.id}: cut into {[part.range for part in parts]}")
    rows = [[name, len(whole), sum(whole) / len(whole)] for name, whole in by_set.items()]
    every = [each for whole in by_set.values() for each in whole]
    share = sum(every) / max(1, len(every))
    report.table(
        ["single documents of several pages", "documents", "stay whole"], [*rows, ["all", len(every), share]]
    )
    return share


def _show_errors(taken: Sequence[Taken]) -> None:
    for each in taken:
        for page in sorted(each.packet.boundaries ^ each.ours):
            at = sum(start <= page for start in each.packet.starts) - 1
            kind = "missed" if page in each.packet.boundaries else "false"
            print(f"{each.packet.file.name} page {page}: {kind}, {each.packet.members[at].id}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Split packets of known documents, and compare.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", default=[], help="a set of the folder; repeatable")
    parser.add_argument("--packets", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=int, default=60, help="pages of a single document that is tried")
    parser.add_argument("--errors", action="store_true", help="name every wrong boundary")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--stale", action="store_true", help="take what other code read")
    return parser.parse_args()


if __name__ == "__main__":
    main()
