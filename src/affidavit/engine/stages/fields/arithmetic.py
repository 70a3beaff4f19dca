"""Let amounts that add up speak for each other: net and tax make gross, gross less prepaid is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    plans: Mapping[str, Plan],
    candidates: dict[str, list[Candidate]],
    amounts: Collection[Decimal],
    line_sum: Decimal | None,
) -> dict[str, list[Candidate]]:
    """Return the candidates, those that fit a sum with others raised; `line_sum` is the items' sum."""
    by_concept = {plan.concept.key: key for key, plan in plans.items() if plan.concept}
    agreeing: set[tuple[str, int]] = set()
    for concepts in SUMS:
        keys = [by_concept.get(concept) for concept in concepts]
        agreeing |= _agreeing(keys, candidates, amounts)
    for concept in (LINE_SUM, NET_TOTAL):
        agreeing |= _equal_to(line_sum, by_concept.get(concept), candidates)
    return {
        key: [lowered(each, AGREEING) if (key, at) in agreeing else each for at, each in enumerate(options)]
        for key, options in candidates.items()
    }


def _agreeing(
    keys: Sequence[str | None], candidates: Mapping[str, Sequence[Candidate]], amounts: Iterable[Decimal]
) -> set[tuple[str, int]]:
    """Return the candidates that make a sum; a part that no leaf asks for may be any printed amount."""
    asked = [key for key in keys if key and candidates.get(key)]
    if len(asked) < len(keys) - 1:
        return set()
    options: list[list[tuple[str, int, Decimal]]] = [
        [(key, at, each.span.value) for at, each in enumerate(candidates[key])]
        if key and key in asked
        else [("", 0, amount) for amount in amounts]
        for key in keys
    ]
    agreeing: set[tuple[str, int]] = set()
    for parts in product(*options):
        places = {candidates[key][at].span.place for key, at, _ in parts if key}
        if _is_sum(*(value for _, _, value in parts)) and len(places) == len(asked):
            agreeing |= {(key, at) for key, at, _ in parts if key}
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
