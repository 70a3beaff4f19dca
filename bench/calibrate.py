"""Fit what a score of the rules is worth, and measure on other documents how far confidence can be trusted.

    python bench/calibrate.py FOLDER [--set NAME]... [--copies] [--seed 4] [--write calibration.toml]

Documents are parted by who wrote them, so that no supplier is measured by points that were fitted on it:
once in two halves, the one to fit and the other to measure, and once in five parts, each measured by what
the other four fit. For each it prints a row for each tenth of confidence, and the expected calibration
error. --write fits points on all documents, as the package has them. With --copies the poor copies of the
invoices are read too. Items of an array that the truth leaves empty are not judged: the page may print what
the truth does not hold.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

from accuracy import CACHE, reliability, report
from accuracy.reading import Shelf
from accuracy.reliability import Seen
from accuracy.trial import judged, key_of
from accuracy.truth import Truth, load

from affidavit.engine.errors import EngineError
from affidavit.engine.stages.fields.calibration import UNCALIBRATED, Calibration, shipped
from affidavit.engine.stages.fields.extraction import extract

FOLDS = 5


def main() -> None:
    given = _arguments()
    shelf = Shelf(given.cache, stale=given.stale)
    values: list[Seen] = []
    for truth in load(given.folder, given.set):
        print(truth.id, end="\r", file=sys.stderr, flush=True)
        for rasterised in (False, True) if given.copies and truth.set == "zugferd" else (False,):
            values += seen(truth, shelf, rasterised=rasterised)
    for parts in (2, FOLDS):
        measure(values, reliability.parted(values, parts, Random(given.seed)))
    show("all, as shipped", [(shipped().of(each.path, each.score), each) for each in values])
    show("all, scores as they are", [(each.score, each) for each in values])
    if given.write:
        given.write.write_text(reliability.written(fit(values), values, given))


def measure(values: Sequence[Seen], parts: Sequence[frozenset[str]]) -> None:
    """Measure each part by what the others fit; of two, the second one only."""
    told = []
    for number, part in enumerate(parts):
        if len(parts) > 2 or number:
            points = fit([each for each in values if each.author not in part])
            told += [(points.of(each.path, each.score), each) for each in values if each.author in part]
    show(f"{len(parts)} parts", told)


def fit(values: Sequence[Seen]) -> Calibration:
    return Calibration(
        reliability.fitted([each for each in values if "[" not in each.path]),
        reliability.fitted([each for each in values if "[" in each.path]),
    )


def seen(truth: Truth, shelf: Shelf, *, rasterised: bool) -> Iterator[Seen]:
    """Yield the score of each value that was got, and whether it is right."""
    try:
        document = shelf.document(truth, rasterised=rasterised)
        found = extract(document, truth.schema, calibration=UNCALIBRATED)
    except EngineError:
        return
    author, name = reliability.author(truth), f"{truth.id}{' copy' if rasterised else ''}"
    for outcome in judged(truth, found.data):
        path = key_of(outcome.got_path or ())
        field = found.fields.get(path)
        if field is not None and outcome.got is not None and reliability.is_known(truth, outcome):
            yield Seen(author, name, path, field.confidence, outcome.right)


def show(name: str, told: Sequence[tuple[int, Seen]]) -> None:
    """Print the reliability of values that were told with a confidence."""
    rights = [(sure, each.right) for sure, each in told]
    documents = reliability.by_document(told)
    print(f"{name}: {len(documents)} documents, {len(told)} values", end=", ")
    print(f"expected calibration error {reliability.error(rights):.3f}", end=", ")
    print(f"of whole documents {reliability.error_of_documents(documents):.3f}")
    report.table(("confidence", "values", "mean confidence", "right"), reliability.curve(rights))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="a set, or the folder of the sets")
    parser.add_argument("--set", action="append", default=[], help="only this set; again for more")
    parser.add_argument("--copies", action="store_true", help="poor copies of the invoices too")
    parser.add_argument("--seed", type=int, default=4, help="of the parts (4)")
    parser.add_argument("--write", type=Path, help="fit all, and write the points here")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what was read")
    parser.add_argument("--stale", action="store_true", help="take what was read by other code too, if any")
    return parser.parse_args()


if __name__ == "__main__":
    main()
