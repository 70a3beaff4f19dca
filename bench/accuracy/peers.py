"""Measure other systems on the same documents, by the same rules.

invoice2data and langextract run in an environment of their own, whose Python is given. langextract's aligner
and ours are asked alike: every value that the truth holds and a page prints is given, without a hint of its
place, and the words that they name are judged as the citations of extracted values are.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from accuracy import baseline
from accuracy.grounding import verdict_of
from accuracy.places import places
from accuracy.scoring import MISSING
from accuracy.trial import Trial, judged
from accuracy.truth import Truth
from affidavit.engine.offsets import PAGE_SEPARATOR, page_offsets
from affidavit.engine.result import Citation, Document, Match, Word
from affidavit.engine.stages.ground import Locator

HERE = Path(__file__).parent
SECONDS = 900
# What invoice2data's templates call the fields of the invoices.
NAMES = {
    "invoice_number": "invoice_number",
    "date": "issue_date",
    "date_due": "due_date",
    "currency": "currency",
    "iban": "iban",
    "amount": "grand_total",
    "amount_untaxed": "tax_basis_total",
    "amount_tax": "tax_total",
}


def plain_expressions(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of the baseline of regular expressions."""
    return [
        _trial(
            trial.truth,
            MISSING if trial.document is None else baseline.extract(trial.document, trial.truth.schema),
        )
        for trial in trials
    ]


def invoice2data(python: Path, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials of invoice2data; a document that no template fits failed."""
    files = [str(trial.truth.file) for trial in trials]
    answers = _asked(python, "peer_invoice2data.py", files)
    return [
        _trial(trial.truth, _renamed(trial.truth, found))
        for trial, found in zip(trials, answers, strict=True)
    ]


def _renamed(truth: Truth, found: Mapping[str, Any]) -> Any:
    if not found:
        return MISSING
    asked = truth.schema.get("properties", {})
    if "grand_total" in asked:
        told = {NAMES[name]: value for name, value in found.items() if name in NAMES}
        return {**told, "seller": {"name": found.get("issuer"), "vat_id": found.get("vat")}}
    return {name: value for name, value in found.items() if name in asked}


def _trial(truth: Truth, data: Any) -> Trial:
    return Trial(truth, judged(truth, data), 0.0, error="NOTHING" if data is MISSING else None)


def aligned(python: Path, trials: Sequence[Trial]) -> Iterator[list[object]]:
    """Yield a row for langextract's aligner and one for ours: values given, the share that each grounds."""
    read = [(trial, trial.document) for trial in trials if trial.document is not None]
    asked = [_printed(trial, document) for trial, document in read]
    texts = [PAGE_SEPARATOR.join(page.markdown for page in document.pages) for _, document in read]
    lines = [
        json.dumps({"text": text, "values": [_spelled(value) for value, _ in values]})
        for text, values in zip(texts, asked, strict=True)
    ]
    theirs, ours, given = 0, 0, 0
    for (_, document), values, found in zip(
        read, asked, _asked(python, "peer_langextract.py", lines), strict=True
    ):
        locator = Locator.of(document)
        for (value, where), interval in zip(values, found, strict=True):
            given += 1
            theirs += verdict_of(_citation(document, interval), where) == "grounded"
            ours += verdict_of(locator.locate(value), where) == "grounded"
    yield ["langextract's aligner", given, theirs / given if given else float("nan")]
    yield ["ours", given, ours / given if given else float("nan")]


def _printed(trial: Trial, document: Document) -> list[tuple[Any, list[Any]]]:
    """Return the values that the truth holds and a page prints, with their places."""
    expected = [each.expected for each in trial.outcomes if each.expected not in (None, True, False, "")]
    found = [(value, places(document, value)) for value in expected]
    return [(value, where) for value, where in found if where]


def _spelled(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _citation(document: Document, interval: Sequence[int] | None) -> Citation | None:
    """Return the words of a part of the document's text; those of the first page where it spans several."""
    if interval is None:
        return None
    start, end = interval
    for page, offset in zip(document.pages, page_offsets(document.pages), strict=True):
        words = [word for word in page.words if _overlaps(word, start - offset, end - offset)]
        if words:
            lefts, tops, rights, bottoms = zip(*(word.box for word in words), strict=True)
            box = (min(lefts), min(tops), max(rights), max(bottoms))
            return Citation(page=page.number, box=box, words=(), range=None, quote="", match=Match.EXACT)
    return None


def _overlaps(word: Word, start: int, end: int) -> bool:
    return word.range is not None and word.range[0] < end and start < word.range[1]


def _asked(python: Path, script: str, lines: Sequence[str]) -> list[Any]:
    """Return the answers of a script in another environment, one a line."""
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [python, HERE / script],
        input="\n".join(lines) + "\n",
        env={**os.environ, "PATH": path, "PYTHONPATH": ""},
        capture_output=True,
        check=True,
        text=True,
        timeout=SECONDS,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
