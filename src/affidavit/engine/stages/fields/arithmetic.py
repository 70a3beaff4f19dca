"""Let amounts that add up speak for each other: net and tax make gross, gross less prepaid is due."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import product

from affidavit.engine.stages.fields.candidates import Candidate, lowered, reading_confidence
from affidavit.engine.stages.fields.lexicon import (
    AMOUNT_DUE,
    GROSS_TOTAL,
    LINE_SUM,
    NET_TOTAL,
    PREPAID,
    TAX_TOTAL,
)
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span

TOLERANCE = Decimal("0.02")  # two roundings to cents
AGREEING = 1.25  # what a sum that fits is worth, on the score of each part

COMPUTED = 0.5  # score of an amount that nothing but a sum speaks for
DISAGREEING = 0.6  # what is left where three labelled amounts fit and this is none of them

# (a, b, c) for a + b = c; an amount paid before may be printed with a minus
SUMS = ((NET_TOTAL, TAX_TOTAL, GROSS_TOTAL), (PREPAID, AMOUNT_DUE, GROSS_TOTAL))

Options = Mapping[str, Sequence[Candidate]]
Pick = tuple[str, int]  # a leaf and which of its candidates


def favour_sums(
    plans: Mapping[str, Plan], options: Options, printed: Collection[Decimal], line_sum: Decimal | None
) -> dict[str, list[Candidate]]:
    """Return the candidates, those that fit a sum with others raised.

    `printed` are the document's amounts, any of which may be the part of a sum that no leaf asks
    for; `line_sum` is what the items add up to.
    """
    by_concept = {plan.concept.key: key for key, plan in plans.items() if plan.concept}
    agreeing: set[Pick] = set()
    settled: set[str] = set()
    for concepts in SUMS:
        keys = [by_concept.get(concept, "") for concept in concepts]
        found = _agreeing(keys, options, printed)
        agreeing |= found
        settled |= {key for key, _ in found} if len(found) == len(keys) else set()
    for concept in (LINE_SUM, NET_TOTAL):
        key = by_concept.get(concept, "")
        equal = set() if key in settled else _equal_to(line_sum, key, options)
        agreeing |= equal
        settled |= {key for key, _ in equal}

    def factor(key: str, at: int) -> float:
        return AGREEING if (key, at) in agreeing else DISAGREEING if key in settled else 1.0

    return {
        key: [lowered(each, factor(key, at)) for at, each in enumerate(candidates)]
        for key, candidates in options.items()
    }


def _agreeing(keys: Sequence[str], options: Options, printed: Collection[Decimal]) -> set[Pick]:
    """Return the parts of the greatest sum: below it stand the sums by rate, of which it is made."""
    asked = [at for at, key in enumerate(keys) if options.get(key)]
    if len(asked) < len(keys) - 1:
        return set()
    greatest, agreeing = Decimal(0), set[Pick]()
    for picks in product(*(_picks(keys[at], options) for at in asked)):
        parts = dict(zip(asked, (value for _, value in picks), strict=True))
        places = {options[key][at].span.place for (key, at), _ in picks}
        if len(places) < len(asked) or not _adds_up(parts, printed):
            continue
        size = sum((abs(value) for value in parts.values()), Decimal(0))
        chosen = {pick for pick, _ in picks}
        greatest, agreeing = (size, chosen) if size > greatest else (greatest, agreeing)
    return agreeing


def _picks(key: str, options: Options) -> Iterator[tuple[Pick, Decimal]]:
    for at, candidate in enumerate(options[key]):
        if isinstance(candidate.span.value, Decimal):
            yield (key, at), candidate.span.value


def _adds_up(parts: Mapping[int, Decimal], printed: Collection[Decimal]) -> bool:
    """Tell whether first and second make the third; a missing one must be printed somewhere."""
    first, second, total = parts.get(0), parts.get(1), parts.get(2)
    if first is None:
        return second is not None and total is not None and (total - second) in printed and total != second
    if second is None:
        return total is not None and (total - abs(first)) in printed
    if total is None:
        return (first + second) in printed and second != 0
    return total != 0 and min(abs(first + second - total), abs(abs(first) + second - total)) <= TOLERANCE


def _equal_to(total: Decimal | None, key: str, options: Options) -> set[Pick]:
    if total is None:
        return set()
    return {
        pick
        for pick, value in (_picks(key, options) if key in options else ())
        if abs(value - total) <= TOLERANCE
    }


def completed(
    plans: Mapping[str, Plan], chosen: Mapping[str, Candidate], printed: Sequence[Span]
) -> dict[str, Candidate]:
    """Return the choice with the missing part of a sum added where its amount is printed, unlabelled."""
    by_concept = {plan.concept.key: key for key, plan in plans.items() if plan.concept}
    whole = dict(chosen)
    for concepts in SUMS:
        keys = [by_concept.get(concept, "") for concept in concepts]
        missing = [at for at, key in enumerate(keys) if key and key not in chosen]
        values = [chosen[key].span.value if key in chosen else None for key in keys]
        if len(missing) != 1 or sum(isinstance(value, Decimal) for value in values) != len(keys) - 1:
            continue
        wanted = _missing(values)
        span = next((each for each in printed if wanted and each.value == wanted), None)
        if span:
            whole[keys[missing[0]]] = Candidate(span, COMPUTED * reading_confidence(span))
    return whole


def _missing(values: Sequence[Decimal | None]) -> Decimal:
    first, second, total = values
    if total is None:
        return (first or Decimal(0)) + (second or Decimal(0))
    return total - (second if first is None and second is not None else first or Decimal(0))
