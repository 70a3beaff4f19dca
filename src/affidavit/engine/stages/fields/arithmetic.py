"""Let amounts that add up speak for each other: net and tax make gross, gross less prepaid is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product

from affidavit.engine.stages.fields.candidates import Candidate, lowered
from affidavit.engine.stages.fields.lexicon import (
    AMOUNT_DUE,
    GROSS_TOTAL,
    LINE_SUM,
    NET_TOTAL,
    PREPAID,
    TAX_TOTAL,
)
from affidavit.engine.stages.fields.plans import Plan

TOLERANCE = Decimal("0.02")  # two roundings to cents
AGREEING = 1.25  # what a sum that fits is worth, on the score of each part

# (a, b, c) for a + b = c
SUMS = ((NET_TOTAL, TAX_TOTAL, GROSS_TOTAL), (PREPAID, AMOUNT_DUE, GROSS_TOTAL))


def favour_sums(
    plans: Mapping[str, Plan], candidates: dict[str, list[Candidate]], line_sum: Decimal | None
) -> dict[str, list[Candidate]]:
    """Return the candidates, those that fit a sum with others raised; `line_sum` is the items' sum."""
    by_concept = {plan.concept.key: key for key, plan in plans.items() if plan.concept}
    agreeing: set[tuple[str, int]] = set()
    for concepts in SUMS:
        keys = [by_concept.get(concept) for concept in concepts]
        agreeing |= _agreeing([key for key in keys if key], keys, candidates)
    for concept in (LINE_SUM, NET_TOTAL):
        agreeing |= _equal_to(line_sum, by_concept.get(concept), candidates)
    return {
        key: [lowered(each, AGREEING) if (key, at) in agreeing else each for at, each in enumerate(options)]
        for key, options in candidates.items()
    }


def _agreeing(
    known: Sequence[str], keys: Sequence[str | None], candidates: Mapping[str, Sequence[Candidate]]
) -> set[tuple[str, int]]:
    if len(known) < len(keys):
        return set()
    options = [list(enumerate(candidates.get(key, ()))) for key in known]
    agreeing: set[tuple[str, int]] = set()
    for first, second, third in product(*options):
        a, b, c = (each.span.value for _, each in (first, second, third))
        if _is_sum(a, b, c) and len({first[1].span.place, second[1].span.place, third[1].span.place}) == len(
            keys
        ):
            agreeing |= {(key, at) for key, (at, _) in zip(known, (first, second, third), strict=True)}
    return agreeing


def _is_sum(a: object, b: object, c: object) -> bool:
    if not (isinstance(a, Decimal) and isinstance(b, Decimal) and isinstance(c, Decimal)):
        return False
    return c != 0 and abs(abs(a) + b - c) <= TOLERANCE


def _equal_to(
    total: Decimal | None, key: str | None, candidates: Mapping[str, Sequence[Candidate]]
) -> set[tuple[str, int]]:
    if total is None or key is None:
        return set()
    return {
        (key, at)
        for at, each in enumerate(candidates.get(key, ()))
        if isinstance(each.span.value, Decimal) and abs(each.span.value - total) <= TOLERANCE
    }
