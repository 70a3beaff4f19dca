"""Candidates that no label points at: parties by their blocks, the currency, values of a rare kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.lexicon import BUYER, ISSUE_DATE, PARTIES, PARTY_PARTS, SELLER, Kind
from affidavit.engine.stages.fields.parties import Party, find_letterhead, find_parties
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan, labels_of_concepts
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import View

SPOKEN_FOR = 0.85  # a value whose grammar hardly fits anything else, unlabelled
LETTERHEAD = 0.6
ONLY_DATE = 0.5
CLEAR_ROLE = 0.6  # of a label, to speak for the lines under it
NEAR_ROWS = 8  # rows around a party's block that still speak about it
OTHER_PARTY = 0.35  # what is left of a score when the value stands by another party
UNPLACED = {SELLER: 0.85, BUYER: 0.3}  # who prints his numbers apart from his address: the issuer

SELF_EVIDENT = {Kind.EMAIL: 0.6, Kind.URI: 0.6, Kind.IBAN: 0.85, Kind.VAT_ID: 0.75}


class Sources:
    """What a document says about itself without a label."""

    def __init__(self, view: View, spans: Spans, hits: Sequence[Hit]) -> None:
        self._view = view
        self._spans = spans
        self._hits = hits

    @cached_property
    def parties(self) -> list[Party]:
        return find_parties(self._view, self._hits)

    def candidates(self, plan: Plan) -> list[Candidate]:
        """Return the unlabelled candidates for a leaf, best first."""
        found = [each for each in self._all(plan) if fits(each.span, plan.leaf)]
        return sorted(found, key=lambda each: -each.score)

    def _all(self, plan: Plan) -> list[Candidate]:
        part = party_part(plan)
        if part and plan.party:
            return self._from_parties(part, plan)
        if plan.kind is Kind.CURRENCY:
            return self._currencies()
        if plan.kind in SELF_EVIDENT:
            return [
                Candidate(span, SELF_EVIDENT[plan.kind] * span.fit * reading_confidence(span))
                for span in self._spans.all(plan.kind)
            ]
        if plan.concept and plan.concept.key == ISSUE_DATE:
            return self._dates()
        return []

    def affinity(self, candidate: Candidate, party: str) -> float:
        """Return what is left of a score when a value should be `party`'s, by what stands near it."""
        role = _role_named(candidate.label) or self.role_near(candidate.span)
        if role is None:
            return UNPLACED.get(party, 0.5)
        return 1.0 if role == party else OTHER_PARTY

    def role_near(self, span: Span) -> str | None:
        """Return whose block or heading a value stands in or under, if anyone's."""
        row = span.segment.row
        distances: list[tuple[int, str]] = []
        for party in self.parties:
            role = max(party.roles, key=lambda name: party.roles[name], default=None)
            first = next(iter(party.parts.values()))
            if role and party.page == span.segment.page and _same_column(first, span):
                away = max(party.rows[0] - row, row - party.rows[1], 0)
                distances.append((away, role))
        distances += [
            (row - hit.segment.row, role)
            for hit in self._hits
            for role in PARTIES
            if hit.keys.get(role, 0.0) > CLEAR_ROLE and _is_over(hit, span)
        ]
        near = [each for each in distances if each[0] <= NEAR_ROWS]
        return min(near)[1] if near else None

    def _from_parties(self, part: str, plan: Plan) -> list[Candidate]:
        party = plan.party or ""
        found = []
        for each in self.parties:
            span = each.parts.get(part)
            if span and each.role(party) > 0:
                score = each.role(party) * (0.9 if each.is_one_line else 1.0) * span.fit
                found.append(Candidate(_as_wanted(span, plan), score * reading_confidence(span)))
        if part == "name" and party == SELLER:
            letterhead = find_letterhead(self._view)
            if letterhead:
                found.append(Candidate(letterhead, LETTERHEAD * reading_confidence(letterhead)))
        return found

    def _currencies(self) -> list[Candidate]:
        spans = self._spans.all(Kind.CURRENCY)
        counts = Counter(span.value for span in spans)
        return [
            Candidate(
                span, SPOKEN_FOR * span.fit * counts[span.value] / len(spans) * reading_confidence(span)
            )
            for span in spans
        ]

    def _dates(self) -> list[Candidate]:
        spans = self._spans.all(Kind.DATE)
        return [Candidate(span, ONLY_DATE * span.fit * reading_confidence(span)) for span in spans[:1]]


def _role_named(label: Hit | None) -> str | None:
    """Return the party that a label names: itself, or by its first word as in customer VAT number."""
    if label is None:
        return None
    first = label.segment.text[label.start : label.end].split()[0]
    named = {**labels_of_concepts().get(label_key(first), {}), **label.keys}
    return next((party for party in PARTIES if named.get(party, 0.0) > 0), None)


def party_part(plan: Plan) -> str | None:
    """Return which part of a party a leaf asks for: its name, street, postcode, city or country."""
    if plan.concept is None:
        return None
    if plan.concept.key in PARTIES:
        return "name"
    return plan.concept.key if plan.concept.key in PARTY_PARTS else None


def _as_wanted(span: Span, plan: Plan) -> Span:
    """Write a country as printed unless the leaf asks for a code."""
    if plan.kind is not Kind.COUNTRY or _wants_code(plan):
        return span
    return Span(span.segment, span.start, span.end, span.text, span.fit)


def _wants_code(plan: Plan) -> bool:
    asked = f"{plan.leaf.name} {plan.leaf.title or ''} {plan.leaf.description or ''}".casefold()
    return any(word in asked for word in ("code", "iso", "alpha-2", "alpha2"))


def _is_over(hit: Hit, span: Span) -> bool:
    """Tell whether a label stands over a value, near and in its column, as a heading does."""
    rows = span.segment.row - hit.segment.row
    is_near = hit.segment.page == span.segment.page and 0 <= rows <= NEAR_ROWS
    return is_near and abs(hit.box[0] - span.segment.box[0]) < (hit.box[2] - hit.box[0]) + 20


def _same_column(one: Span, other: Span) -> bool:
    mine, theirs = one.segment.box, other.segment.box
    return min(mine[2], theirs[2]) > max(mine[0], theirs[0]) or abs(mine[0] - theirs[0]) < 10
