"""How right the extracted data are, on documents with truth.

    python bench/accuracy.py FOLDER [--set NAME]... [--only ID]... [--rasterised] [--errors] [--fields]

FOLDER holds sets, each with a `truth.jsonl`, or is one. Every document is read and extracted by the code that
a job runs. What was read is kept in --cache by the file's hash and the code that read it, so that a second
run takes seconds; the copies of --rasterised are images of the pages, turned, noisy, blurred and compressed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

from accuracy import CACHE, grounding, peers, report
from accuracy.reading import Shelf
from accuracy.trial import Trial, run
from accuracy.truth import load


def main() -> None:
    given = _arguments()
    shelf = Shelf(given.cache, stale=given.stale)
    trials = []
    for truth in load(given.folder, given.set, given.only):
        print(truth.id, end="\r", file=sys.stderr, flush=True)
        trials.append(run(truth, shelf, rasterised=given.rasterised))
    show(trials, given)


def show(trials: list[Trial], given: argparse.Namespace) -> None:
    if given.errors:
        report.errors(trials)
    if given.fields:
        report.fields(trials)
    if given.documents:
        report.documents(trials)
    report.table(report.HEADER, (report.scores(*each) for each in report.by_set(trials).items()))
    if given.peers:
        show_peers(trials, given.peers)
    judgements = [] if given.no_grounding else list(grounding.judge(trials))
    if judgements:
        grouped = {
            name: [each for each in judgements if each.trial.truth.set == name]
            for name in report.by_set(trials)
        }
        report.table(grounding.HEADER, ([name, *grounding.summary(found)] for name, found in grouped.items()))
    if given.errors:
        report.misplaced(judgements)
    if given.json:
        given.json.write_text(json.dumps(report.plain(trials), indent=1) + "\n")


def show_peers(trials: list[Trial], python: Path) -> None:
    """Print what other systems make of the same documents."""
    for name, group in report.by_set(trials).items():
        others = {
            "invoice2data": peers.invoice2data(python, group),
            "regular expressions": peers.plain_expressions(group),
        }
        report.table(
            report.HEADER, (report.scores(f"{name}: {peer}", found) for peer, found in others.items())
        )
        report.table((f"{name}: given values", "values", "grounded"), peers.aligned(python, group))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="a set, or the folder of the sets")
    parser.add_argument("--set", action="append", default=[], help="only this set; again for more")
    parser.add_argument(
        "--only", action="append", default=[], help="only ids with this in them; again for more"
    )
    parser.add_argument("--rasterised", action="store_true", help="poor copies in place of the documents")
    parser.add_argument("--errors", action="store_true", help="list every leaf that is wrong")
    parser.add_argument("--fields", action="store_true", help="a row per field")
    parser.add_argument("--documents", action="store_true", help="a row per document")
    parser.add_argument(
        "--peers", type=Path, help="Python of an environment with invoice2data and langextract"
    )
    parser.add_argument("--no-grounding", action="store_true", help="judge the values alone")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of what was read")
    parser.add_argument("--stale", action="store_true", help="take what was read by other code too, if any")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
