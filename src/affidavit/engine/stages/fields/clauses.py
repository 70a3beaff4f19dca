"""Read values out of running text: defined terms, roles, and the clauses under headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import zip_longest

from affidavit.engine.stages.fields.candidates import Candidate, reading_confidence
from affidavit.engine.stages.fields.lexicon import Kind
from affidavit.engine.stages.fields.paragraphs import Paragraph, paragraphs
from affidavit.engine.stages.fields.parties import has_legal_form
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import View
from affidavit.engine.stages.values.folding import split_name

DEFINED, MEANS, HEADED, LAW = 0.8, 0.75, 0.6, 0.75  # scores
MIN_PROSE_WORDS = 12  # of a paragraph, under which it is a line and no running text
LONGEST_CLAUSE = 1200  # characters of a value
HEADING_WORDS = 8
NAME_WORDS = 14
NO_FORM = 0.8  # fit of a name without a company's legal form

_DEFINED = re.compile(
    r"\((?:[^()\"\u201c\u201d]{0,60}?)(?:the\s+)?[\"\u201c](?P<term>[^\"\u201c\u201d()]{2,60})[\"\u201d][^()]{0,60}\)"
)
_ROLE = re.compile(r",\s+as\s+(?:the\s+)?(?P<term>[A-Z][\w]*(?:\s+(?:[A-Z][\w]*|and|of)){0,4})")
_MEANS = re.compile(
    r"[\"\u201c](?P<term>[^\"\u201c\u201d]{2,60})[\"\u201d]\s*(?:shall\s+mean|means|is\s+defined\s+as|bedeutet|d\u00e9signe)[:,]?\s+"
)
_HEADING = re.compile(
    r"^(?:(?:article|section|clause|§|artikel)\s*)?\(?(?:[\dIVXivx]{1,5}(?:\.\d{1,3})*|[A-Za-z](?=[.)]))?[.):]?\s*"
    r"(?P<title>[^\W\d_][^.:;()\"\u201c]{2,60}?)\s*(?:[.:\u2014]|\s\u2013)(?:\s+|$)",
    re.IGNORECASE,
)
_NAME_START = re.compile(
    r",\s+as\s+[\w ]{3,60}?[,;]?\s+(?=[A-Z]{2}|and\s)"
    r"|\b(?:between|among|by|and|from|to|of|with|is)\s+|[;:]\s+",
    re.IGNORECASE,
)
_ASIDE = re.compile(r",\s+(?:a|an|the|having|with|as|acting|whose|ein|eine|une?|una?)\s.*$", re.DOTALL)
_LAW = re.compile(
    r"\b(?:laws?|Recht|Gesetze[n]?|lois?|droit|leyes|legge)\s+(?:of|der|des|de|del|della|du)\s+(?:the\s+|la\s+|las\s+|los\s+)?"
    r"(?P<place>(?:(?:State|Commonwealth|Province|Republic|Kingdom|Bundesrepublik|R\u00e9publique)\s+(?:of\s+)?)?"
    r"[A-Z\u00c0-\u00de][\w\u00c0-\u024f]*(?:\s+(?:and\s+)?[A-Z\u00c0-\u00de][\w\u00c0-\u024f]*){0,3})"
)
_GOVERNS = re.compile(r"govern|construed|unterlieg|r\u00e9gi|rige|disciplin", re.IGNORECASE)
_DURATION = re.compile(
    r"\b(?:\d+|[a-z]+(?:-[a-z]+)?\s+\(\d+\)|one|two|three|four|five|six|seven|ten|twelve|eighteen|thirty|sixty|ninety)"
    r"[\s-]+(?:calendar\s+|business\s+|consecutive\s+)?(?:days?|weeks?|months?|years?|Tage[n]?|Wochen|Monate[n]?|Jahre[n]?"
    r"|jours|mois|ans|d\u00edas|meses|a\u00f1os)\b['\u2019]?",
    re.IGNORECASE,
)
_OF_TIME = frozenset({"term", "period", "duration", "notice", "length"})
_OF_LAW = frozenset(
    {"governinglaw", "applicablelaw", "jurisdiction", "lawandjurisdiction", "choiceoflaw", "law"}
)


class Clauses:
    """The running text of one document, by what it defines and heads."""

    def __init__(self, view: View, spans: Spans) -> None:
        self._view = view
        self._spans = spans

    @cached_property
    def _paragraphs(self) -> list[Paragraph]:
        return paragraphs(self._view)

    @cached_property
    def _terms(self) -> Mapping[str, list[tuple[float, Paragraph, re.Match[str]]]]:
        """Where each term is defined or taken up, by its squashed words."""
        found: dict[str, list[tuple[float, Paragraph, re.Match[str]]]] = {}
        for paragraph in self._paragraphs:
            if len(paragraph.segment.tokens) < MIN_PROSE_WORDS:
                continue
            for score, pattern in ((DEFINED, _DEFINED), (MEANS, _MEANS), (DEFINED * 0.95, _ROLE)):
                for match in pattern.finditer(paragraph.text):
                    found.setdefault(label_key(match["term"]), []).append((score, paragraph, match))
        return found

    @cached_property
    def _headed(self) -> Mapping[str, list[tuple[Paragraph, int]]]:
        """The clauses by the squashed words of their headings, and where their text starts."""
        found: dict[str, list[tuple[Paragraph, int]]] = {}
        for paragraph, following in zip_longest(self._paragraphs, self._paragraphs[1:]):
            match = _HEADING.match(paragraph.text)
            is_whole = match is None and len(paragraph.segment.tokens) <= HEADING_WORDS
            title = paragraph.text if is_whole else match["title"] if match else ""
            if not title or len(title.split()) > HEADING_WORDS:
                continue
            rest = paragraph.text[match.end() :] if match else ""
            if len(rest.split()) >= MIN_PROSE_WORDS and match:
                found.setdefault(label_key(title), []).append((paragraph, match.end()))
            elif not rest and following and len(following.segment.tokens) >= MIN_PROSE_WORDS:
                found.setdefault(label_key(title), []).append((following, 0))
        return found

    def candidates(self, plan: Plan) -> list[Candidate]:
        """Return what running text says of a leaf, best first."""
        labels = {label: strength for label, strength in plan.own if strength >= 0.7}
        found = [*self._defined(plan, labels), *self._law(plan), *self._clauses(plan, labels)]
        return sorted(found, key=lambda each: -each.score)

    def _defined(self, plan: Plan, labels: Mapping[str, float]) -> Iterator[Candidate]:
        for label, strength in labels.items():
            for score, paragraph, match in self._terms.get(label, ())[:5]:
                span = self._value_of_term(plan, paragraph, match)
                if span:
                    yield Candidate(span, score * strength * span.fit * reading_confidence(span))

    def _value_of_term(self, plan: Plan, paragraph: Paragraph, match: re.Match[str]) -> Span | None:
        first, last = paragraph.sentence_around(match.start())
        if match.re is _MEANS:
            stated = self._typed(plan, paragraph, match.end(), last)
            return stated or self._meaning(plan, paragraph, match.end(), last)
        typed = [
            span
            for span in self._typed_all(plan, paragraph)
            if first <= span.start and span.end <= match.start()
        ]
        if typed or self._spans.has_grammar(plan.kind):
            return typed[-1] if typed else None
        return _name_before(paragraph, first, match.start())

    def _typed_all(self, plan: Plan, paragraph: Paragraph) -> tuple[Span, ...]:
        return self._spans.of(paragraph.segment, plan.kind) if self._spans.has_grammar(plan.kind) else ()

    def _typed(self, plan: Plan, paragraph: Paragraph, start: int, end: int) -> Span | None:
        found = (span for span in self._typed_all(plan, paragraph) if start <= span.start and span.end <= end)
        return next(found, None)

    def _meaning(self, plan: Plan, paragraph: Paragraph, start: int, end: int) -> Span | None:
        """Return what a term means: a company's name without what describes it, else the words."""
        name = _ASIDE.sub("", paragraph.text[start:end])
        is_name = name[:1].isupper() and len(name.split()) <= NAME_WORDS and has_legal_form(name)
        return self._text(plan, paragraph, start, start + len(name) if is_name else end)

    def _text(self, plan: Plan, paragraph: Paragraph, start: int, end: int) -> Span | None:
        if plan.kind not in (Kind.TEXT, Kind.PARTY) or end <= start:
            return None
        end = min(end, start + LONGEST_CLAUSE)
        return paragraph.span(start, start + len(paragraph.text[start:end].rstrip(" ;")))

    def _clauses(self, plan: Plan, labels: Mapping[str, float]) -> Iterator[Candidate]:
        """Yield the text of a clause whose heading is a label; of a period, only how long it is."""
        for label, strength in labels.items():
            for paragraph, start in self._headed.get(label, ())[:3]:
                span = self._of_clause(plan, paragraph, start)
                if span:
                    yield Candidate(span, HEADED * strength * span.fit * reading_confidence(span))

    def _of_clause(self, plan: Plan, paragraph: Paragraph, start: int) -> Span | None:
        if self._spans.has_grammar(plan.kind):
            return self._typed(plan, paragraph, start, len(paragraph.text))
        if plan.kind is not Kind.TEXT:
            return None
        duration = (
            _DURATION.search(paragraph.text, start) if _OF_TIME & set(split_name(plan.leaf.name)) else None
        )
        if duration:
            return paragraph.span(*duration.span())
        return self._text(plan, paragraph, start, len(paragraph.text))

    def _law(self, plan: Plan) -> Iterator[Candidate]:
        """Yield the jurisdiction whose law governs, for a leaf that asks for it."""
        if plan.kind not in (Kind.TEXT, Kind.COUNTRY) or not {label for label, _ in plan.own} & _OF_LAW:
            return
        for paragraph in self._paragraphs:
            match = _LAW.search(paragraph.text)
            if match is None:
                continue
            first, last = paragraph.sentence_around(match.start())
            if _GOVERNS.search(paragraph.text, first, last):
                span = paragraph.span(*match.span("place"))
                yield Candidate(span, LAW * reading_confidence(span))


def _name_before(paragraph: Paragraph, first: int, end: int) -> Span | None:
    """Return the name that ends where a definition in brackets begins, without what describes it."""
    start = first
    for match in _NAME_START.finditer(paragraph.text, first, end):
        if paragraph.text[match.end() : match.end() + 1].isupper():
            start = match.end()
    body = _ASIDE.sub("", paragraph.text[start:end]).rstrip(" ,")
    if not body or len(body.split()) > NAME_WORDS or not body[0].isupper():
        return None
    return paragraph.span(start, start + len(body), 1.0 if has_legal_form(body) else NO_FORM)
