"""Candidates that no label points at: blocks of parties, titles, the currency, values of a rare kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from affidavit.engine.stages.fields.belonging import Belonging
from affidavit.engine.stages.fields.candidates import Candidate, fits, reading_confidence
from affidavit.engine.stages.fields.clauses import Clauses
from affidavit.engine.stages.fields.headlines import Headline, issuer_of, type_value
from affidavit.engine.stages.fields.lexicon import ADDRESS_PARTS, ISSUE_DATE, PARTIES, SELLER, Kind
from affidavit.engine.stages.fields.parties import Party, find_letterhead
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.titles import find_title
from affidavit.engine.stages.fields.view import View

SPOKEN_FOR = 0.85  # a value whose grammar hardly fits anything else, unlabelled
ONLY_DATE = 0.5
ONE_LINE = 0.9  # of a block of several lines
UNOWNED = 0.8  # of a score, when a leaf does not say whose address it asks for
BY_TAX_NUMBER = 0.8  # a country that only the prefix of a tax number tells
AT_HOME = 0.65  # an address without a country is in the country of the one that writes

TITLED = 0.65  # the largest text of the first page
TITLES = frozenset(
    {"title", "documenttitle", "papertitle", "heading", "headline", "titel", "titre", "titulo"}
)
TYPES = frozenset({"type_code", "document_type"})
SELF_EVIDENT = {Kind.EMAIL: 0.6, Kind.URI: 0.6, Kind.IBAN: 0.85, Kind.VAT_ID: 0.75, Kind.TIME: 0.5}
_PREFIXES = {"EL": "GR", "XI": "GB"}  # of VAT numbers, where they are not ISO 3166's


class Sources:
    """What a document says about itself without a label."""

    def __init__(self, view: View, spans: Spans, belonging: Belonging, headlines: Sequence[Headline]) -> None:
        self._view = view
        self._headlines = headlines
        self._clauses = Clauses(view, spans)
        self._spans = spans
        self._belonging = belonging

    def candidates(self, plan: Plan) -> list[Candidate]:
        """Return the unlabelled candidates for a leaf, best first."""
        found = [each for each in self._all(plan) if fits(each.span, plan.leaf)]
        return sorted(found, key=lambda each: -each.score)

    def _all(self, plan: Plan) -> list[Candidate]:
        part = party_part(plan)
        headed = self._letterhead(plan)
        if part:
            return [*self._from_parties(part, plan), *headed, *self._clauses.candidates(plan)]
        if plan.kind is Kind.CURRENCY:
            return self._currencies()
        if plan.kind in SELF_EVIDENT:
            found = ((span, SELF_EVIDENT[plan.kind] * span.fit) for span in self._spans.all(plan.kind))
            return [_candidate(span, score) for span, score in found]
        titled = [*self._from_headlines(plan), *self._title(plan), *self._clauses.candidates(plan)]
        return headed + titled + (self._dates() if plan.concept and plan.concept.key == ISSUE_DATE else [])

    def _from_headlines(self, plan: Plan) -> list[Candidate]:
        """Return what the document's titles say of a leaf: its kind, its number, its date."""
        concept = plan.concept.key if plan.concept else ""
        if concept in TYPES:
            kinds = ((type_value(plan, each), each.score) for each in self._headlines[:1])
            return [_candidate(span, score) for span, score in kinds if span]
        return [
            _candidate(span, each.score)
            for each in self._headlines
            for key, span in ((each.kind.number, each.number), (each.kind.date, each.date))
            if span is not None and key == concept
        ]

    def _title(self, plan: Plan) -> list[Candidate]:
        """Return the document's title for a leaf that asks for it and nothing else."""
        if plan.kind is not Kind.TEXT or label_key(plan.leaf.name) not in TITLES or not self._view.rows:
            return []
        span = find_title(self._view)
        return [_candidate(span, TITLED)] if span else []

    def _from_parties(self, part: str, plan: Plan) -> Iterator[Candidate]:
        for each in self._belonging.parties:
            span = each.parts.get(part)
            role = each.role(plan.party) if plan.party else UNOWNED * max(each.roles.values(), default=0.0)
            if span and role > 0:
                score = role * (ONE_LINE if each.is_one_line else 1.0) * each.completeness * span.fit
                yield _candidate(_as_wanted(span, plan), score)
            elif part == "country" and role > 0 and _wants_code(plan):
                yield from self._country_of(each, role)

    def _letterhead(self, plan: Plan) -> list[Candidate]:
        """Return who heads the document, for the leaf that asks for the one who issues its kind."""
        issuer = issuer_of(self._headlines)
        own = (plan.party or "").rpartition("/")[2]
        is_person = plan.party is None and plan.concept is not None and plan.concept.key == "name"
        asked = {own, plan.leaf.name, plan.concept.key if plan.concept else ""} - {""}
        is_name = party_part(plan) == "name" or plan.leaf.name == issuer
        if not is_name or not (issuer in asked or (is_person and issuer in (SELLER, "name"))):
            return []
        others = self._belonging.addressees
        letterhead = find_letterhead(self._view, self._belonging.by_row, others, is_person=is_person)
        return [_candidate(letterhead, letterhead.fit)] if letterhead else []

    def _country_of(self, party: Party, role: float) -> Iterator[Candidate]:
        """Infer a country that is not written: from the party's tax number, else from the issuer's."""
        for span in self._spans.all(Kind.VAT_ID):
            code = _PREFIXES.get(span.value[:2], span.value[:2])
            prefix = Span(span.segment, span.start, span.start + 2, code, 1.0)
            owner = self._belonging.role_near(span) or SELLER
            if party.role(owner) > 0:
                yield _candidate(prefix, role * BY_TAX_NUMBER)
            elif owner == SELLER and self._writes_like_home(party):
                yield _candidate(prefix, role * AT_HOME)

    def _writes_like_home(self, party: Party) -> bool:
        """Tell whether a postcode has the pattern of the issuer's."""
        home = [
            each for each in self._belonging.parties if each.role(SELLER) > 0 and "postcode" in each.parts
        ]
        mine = party.parts.get("postcode")
        return mine is not None and any(_pattern(mine) == _pattern(each.parts["postcode"]) for each in home)

    def _currencies(self) -> list[Candidate]:
        spans = self._spans.all(Kind.CURRENCY)
        counts = Counter(span.value for span in spans)
        return [_candidate(span, SPOKEN_FOR * span.fit * counts[span.value] / len(spans)) for span in spans]

    def _dates(self) -> list[Candidate]:
        return [_candidate(span, ONLY_DATE * span.fit) for span in self._spans.all(Kind.DATE)[:1]]


def party_part(plan: Plan) -> str | None:
    """Return which part of a party a leaf asks for: its name, address, street, postcode, city or country."""
    if plan.concept is None:
        return None
    if plan.concept.key in PARTIES:
        return "name"
    return plan.concept.key if plan.concept.key in ADDRESS_PARTS else None


def _candidate(span: Span, score: float) -> Candidate:
    return Candidate(span, score * reading_confidence(span))


def _pattern(postcode: Span) -> str:
    return "".join("9" if char.isdigit() else "A" for char in postcode.text if char.isalnum())


def _as_wanted(span: Span, plan: Plan) -> Span:
    """Write a country as printed unless the leaf asks for a code."""
    if plan.kind is not Kind.COUNTRY or _wants_code(plan):
        return span
    return Span(span.segment, span.start, span.end, span.text, span.fit)


def _wants_code(plan: Plan) -> bool:
    asked = f"{plan.leaf.name} {plan.leaf.title or ''} {plan.leaf.description or ''}".casefold()
    return any(word in asked for word in ("code", "iso", "alpha-2", "alpha2"))
