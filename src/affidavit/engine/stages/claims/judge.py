"""Judge a claim: supported, contradicted, or not found in the document.

Precision before recall. A claim is contradicted only when the document says another value of the same
kind about the same subject, or says the same with the opposite sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from affidavit.engine.operations.shapes.check_claims import Verdict
from affidavit.engine.result import Citation
from affidavit.engine.stages.answers.answer import Found, answers
from affidavit.engine.stages.answers.question import Asked, question_about
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.answers.values import YearMonth, values_in
from affidavit.engine.stages.claims.fact import (
    Claim,
    Fact,
    Relation,
    codes_in,
    holds,
    is_negated,
)
from affidavit.engine.stages.claims.statement import statements
from affidavit.engine.stages.passages.passage import PassageKind
from affidavit.engine.stages.values.folding import squash
from affidavit.engine.stages.values.numbers import find_numbers

SUPPORTS = 0.6  # confidence of an answer that holds
CONTRADICTS = 0.78  # of one that does not: to deny needs more than to agree
AS_GOOD = 0.97  # of the best answer's confidence
MAY_BE = 0.7  # of the best answer's confidence: one that holds and is this good forbids to deny
MOST_CITED = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with how sure it is (0 to 1) and the words that decide it."""

    verdict: Verdict
    confidence: float = 0.0
    citations: tuple[Citation, ...] = ()


UNKNOWN = Judgement(Verdict.NOT_FOUND)


def judge(reader: Reader, claim: Claim) -> Judgement:
    """Return what the document says of the claim."""
    if not claim.facts:
        return _of_statement(reader, claim)
    main = next((fact for fact in reversed(claim.facts) if not _is_year(fact)), claim.facts[-1])
    others = [fact for fact in claim.facts if fact is not main]
    found = _of_value(reader, claim, main, others)
    return found or UNKNOWN


def _of_statement(reader: Reader, claim: Claim) -> Judgement:
    for statement in statements(reader, claim):
        verdict = Verdict.SUPPORTED if statement.agrees else Verdict.CONTRADICTED
        return Judgement(verdict, statement.confidence, statement.citations)
    return UNKNOWN


def _of_value(reader: Reader, claim: Claim, main: Fact, others: Sequence[Fact]) -> Judgement | None:
    found = list(_evidence(reader, claim, main, others))
    if not found:
        return None
    best = max(each.confidence for each in found)
    holding = [each for each in found if _holds(main, each) is True]
    for each in holding:
        if each.confidence >= max(SUPPORTS, AS_GOOD * best):
            return _decided(claim, main, each, agrees=True)
    first = found[0]
    if (
        any(each.confidence >= MAY_BE * first.confidence for each in holding)
        or first.confidence < CONTRADICTS
        or _holds(main, first) is not False
    ):
        return None
    return _decided(claim, main, first, agrees=False)


def _decided(claim: Claim, main: Fact, found: Found, *, agrees: bool) -> Judgement | None:
    """Return the verdict under the senses of both sides; None when a denial cannot be weighed."""
    denies = (
        found.passage is not None
        and found.passage.kind is PassageKind.SENTENCE
        and is_negated(found.passage.text)
    )
    if denies != claim.is_negated:
        if denies or main.relation is not Relation.EQUAL:
            return None
        agrees = not agrees
    verdict = Verdict.SUPPORTED if agrees else Verdict.CONTRADICTED
    return Judgement(verdict, min(0.97, found.confidence), found.citations[:MOST_CITED])


def _evidence(reader: Reader, claim: Claim, main: Fact, others: Sequence[Fact]) -> Iterator[Found]:
    """Yield the values that the document has for what the claim is about, surest first."""
    subject = _subject(reader, claim)
    exact = tuple(str(fact.value.year) for fact in others if _is_year(fact))
    found = _typed(reader, main.asked, subject, exact)
    if main.asked is Asked.NUMBER and not any(each.confidence >= SUPPORTS for each in found):
        found = _typed(reader, Asked.AMOUNT, subject, exact)
    demanded = [fact for fact in others if not _is_year(fact)]
    for each in sorted(found, key=lambda each: -each.confidence):
        if (each.passage is not None or not exact) and all(_also(reader, fact, each) for fact in demanded):
            yield each


def _typed(reader: Reader, asked: Asked, subject: str, exact: tuple[str, ...]) -> list[Found]:
    found = answers(reader, question_about(asked, subject, exact=exact))
    return [each for each in found if each.typed is not None]


def _subject(reader: Reader, claim: Claim) -> str:
    """Return what the claim is about, without the numbers of documents that this document bears."""
    subject = claim.rest
    for code in codes_in(subject):
        if squash(code) in reader.letters:
            subject = subject.replace(code, " ")
    return subject


def _also(reader: Reader, fact: Fact, found: Found) -> bool:
    """Tell whether a further value of the claim stands with the one that was found."""
    if found.passage is None:
        return False
    values = values_in(found.passage.segment, fact.asked, reader.spans)
    return any(holds(fact, value.value) for value in values)


def _holds(fact: Fact, found: Found) -> bool | None:
    known = holds(fact, found.typed)
    if known is None or fact.currency is None or not isinstance(found.typed, Decimal):
        return known
    printed = {number.currency for number in find_numbers(found.text) if number.currency}
    if not printed or fact.currency in printed:
        return known
    return False if known else None


def _is_year(fact: Fact) -> bool:
    return isinstance(fact.value, YearMonth) and fact.value.month is None
