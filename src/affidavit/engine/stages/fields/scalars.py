"""Fill arrays of single values: a list behind a label, or all values of a kind that speaks for itself."""

from __future__ import annotations

import re

from affidavit.engine.stages.fields.candidates import Candidate, Finder, fits
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.sources import SELF_EVIDENT, Sources
from affidavit.engine.stages.fields.spans import Span

_ITEM = re.compile(r"[^,;|•·]+")
_LISTED = frozenset({Kind.TEXT, Kind.PARTY, Kind.CITY})


def scalar_items(plan: Plan, finder: Finder, sources: Sources) -> list[Candidate]:
    """Return the items of an array of single values, in the order of the document."""
    if plan.kind in SELF_EVIDENT:
        return _distinct(sources.candidates(plan))
    found = finder.candidates(plan)
    if not found:
        return []
    best = found[0]
    if plan.kind in _LISTED:
        return _pieces(best, plan)
    near = [each for each in found if each.label is best.label and each.span.segment is best.span.segment]
    return _distinct(sorted(near, key=lambda each: each.span.start))


def _pieces(candidate: Candidate, plan: Plan) -> list[Candidate]:
    """Cut a text at its commas, semicolons and bullets."""
    span = candidate.span
    pieces = []
    for match in _ITEM.finditer(span.text):
        text = match[0].strip()
        if text:
            start = span.start + match.start() + match[0].index(text)
            piece = Span(span.segment, start, start + len(text), text, span.fit)
            pieces.append(Candidate(piece, candidate.score, candidate.label))
    return [piece for piece in pieces if fits(piece.span, plan.leaf)]


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    seen: dict[object, Candidate] = {}
    for candidate in candidates:
        seen.setdefault(candidate.span.value, candidate)
    return list(seen.values())
