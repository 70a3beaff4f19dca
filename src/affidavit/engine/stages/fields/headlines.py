"""Read the titles of a document: its kind, its number and its date, as in `Invoice A-17 of 2 March`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from affidavit.engine.stages.fields.lexicon import SELLER, Kind
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.plans import Plan, labels_of_concepts
from affidavit.engine.stages.fields.spans import Span, Spans
from affidavit.engine.stages.fields.view import Row, Segment, View

TITLE_PAGES = 2
TITLE_WORDS = 14  # in a row; a longer one is a sentence
FIRST_WORDS = 2  # among which the kind must begin
KIND_WORDS = 4  # in the name of a kind
MIN_TAIL = 6  # letters of a kind that may end a compound: Handelsrechnung
NUMBER_GAP = 3  # words between the kind and the mark of its number: Rechnung des Versicherers Nr.
LARGE = 1.25  # of the page's word height
HEAD = 0.5  # of the page, in which a title mostly stands
SCORES = {(True, True): 0.9, (True, False): 0.85, (False, True): 0.8, (False, False): 0.6}  # large, in head

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_MARKS = frozenset({"nr", "no", "n", "number", "nummer", "num", "numero", "nro", "id", "ref"})
_CODE_LIST = re.compile(r"\b(?:UN/?EDIFACT|UNTDID|UNCL)\b|\b1001\b", re.IGNORECASE)
_CODED = re.compile(r"\b([A-Z0-9]{1,6})\s*(?:[=:\-\u2013]|is|for)?\s+([A-Za-z][A-Za-z ]{2,30})")


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document. `number` and `date` are keys of the concepts that its title may state.

    `issuer` is the concept that names who heads such a document; empty when no one does.
    """

    key: str
    words: tuple[str, ...]
    number: str | None = None
    date: str | None = None
    codes: tuple[str, ...] = ()
    issuer: str = SELLER


@dataclass(frozen=True, slots=True)
class Headline:
    """A title. `name` is where the kind is named; `score`, 0 to 1, how much it looks like a title."""

    kind: DocumentKind
    name: Span
    score: float
    number: Span | None = None
    date: Span | None = None


@cache
def document_kinds() -> dict[str, DocumentKind]:
    """Return the known kinds of documents by key."""
    read = tomllib.loads(files(__package__).joinpath("kinds.toml").read_text(encoding="utf-8"))
    return {
        key: DocumentKind(
            key=key,
            words=tuple(entry["words"]),
            number=entry.get("number"),
            date=entry.get("date"),
            codes=tuple(entry.get("codes", ())),
            issuer=entry.get("issuer", SELLER),
        )
        for key, entry in read.items()
    }


@cache
def _kinds_by_words() -> dict[str, DocumentKind]:
    found = {label_key(words): kind for kind in document_kinds().values() for words in kind.words}
    return found | {label_key(key): kind for key, kind in document_kinds().items()}


def kind_named(text: str) -> DocumentKind | None:
    """Return the kind that `text` names, as `credit_note` and `Credit note` do."""
    key = label_key(text)
    known = _kinds_by_words()
    return known.get(key) or known.get(key.removesuffix("s"))


def find_headlines(view: View, spans: Spans) -> list[Headline]:
    """Return the titles on the first pages, the most likely first."""
    found = [
        headline
        for row in view.rows
        if row.page <= view.rows[0].page + TITLE_PAGES - 1 and len(row.tokens) <= TITLE_WORDS
        for segment in row.segments
        if (headline := _headline(view, row, segment, spans)) is not None
    ]
    return sorted(found, key=lambda each: -each.score)


def issuer_of(headlines: Sequence[Headline]) -> str:
    """Return the concept that names who heads a document with these titles."""
    return headlines[0].kind.issuer if headlines else SELLER


def _headline(view: View, row: Row, segment: Segment, spans: Spans) -> Headline | None:
    named = _named_kind(segment.text) or _kind_at_end(segment.text)
    if named is None or segment.text.endswith((".", ",")) or _is_upright(segment):
        return None
    kind, start, end = named
    rest = Segment(row.page, row.number, tuple(t for t in row.tokens if t.box[0] >= segment.box[0]))
    height = segment.box[3] - segment.box[1]
    is_large = height >= LARGE * view.heights[row.page]
    in_head = row.page == view.rows[0].page and segment.box[1] < HEAD * view.pages[row.page].height
    dates = [span for span in spans.of(rest, Kind.DATE) if span.start >= end]
    return Headline(
        kind=kind,
        name=Span(segment, start, end, segment.text[start:end], 1.0),
        score=SCORES[is_large, in_head],
        number=_number(rest, end, spans),
        date=dates[0] if len(dates) == 1 else None,
    )


def _is_upright(segment: Segment) -> bool:
    """Tell whether a segment runs up or down the page, as notes on an edge do."""
    return segment.box[3] - segment.box[1] > segment.box[2] - segment.box[0]


def _named_kind(text: str) -> tuple[DocumentKind, int, int] | None:
    """Return the kind named at the start of a title, the longest name first, and where."""
    words = list(_WORD.finditer(text))
    known = _kinds_by_words()
    for first in range(min(FIRST_WORDS, len(words))):
        for last in range(min(first + KIND_WORDS, len(words)) - 1, first - 1, -1):
            kind = known.get(label_key(text[words[first].start() : words[last].end()]))
            if kind:
                return kind, words[first].start(), words[last].end()
        kind = _tail(label_key(words[first][0]))
        if kind:
            return kind, words[first].start(), words[first].end()
    return None


def _kind_at_end(text: str) -> tuple[DocumentKind, int, int] | None:
    """Return the kind that ends a title in capitals, all of which is its name: MUTUAL LOAN AGREEMENT."""
    words = text.split()
    if not text.isupper() or not 1 < len(words) <= TITLE_WORDS // 2:
        return None
    named = (kind_named(" ".join(words[-length:])) for length in (3, 2, 1) if length <= len(words))
    return next(((kind, 0, len(text)) for kind in named if kind), None)


def _tail(word: str) -> DocumentKind | None:
    known = _kinds_by_words()
    return next((known[word[at:]] for at in range(3, len(word) - MIN_TAIL + 1) if word[at:] in known), None)


def _number(row: Segment, after: int, spans: Spans) -> Span | None:
    """Return the number that follows the kind at once, or behind its mark with nothing else named between."""
    for span in spans.of(row, Kind.CODE):
        if span.start < after or span.fit < 1.0 or _is_in_brackets(row.text, span):
            continue
        between = [label_key(word) for word in _WORD.findall(row.text[after : span.start])]
        marked = bool(between) and between[-1] in _MARKS
        others = between[:-1] if marked else between
        if len(others) > (NUMBER_GAP if marked else 0) + _codes_in(row.text[after : span.start]):
            return None
        if any(word in labels_of_concepts() or _tail("   " + word) for word in others):
            return None
        return span
    return None


def _codes_in(text: str) -> int:
    return len(re.findall(r"\(\w+\)", text))


def _is_in_brackets(text: str, span: Span) -> bool:
    return text[: span.start].endswith("(") and text[span.end :].startswith(")")


def type_value(plan: Plan, headline: Headline) -> Span | None:
    """Return the kind as a leaf wants it: one of its enum, a code that its description explains, or words."""
    leaf, name = plan.leaf, headline.name
    if leaf.enum:
        fitting = [choice for choice in leaf.enum if kind_named(str(choice)) is headline.kind]
        return Span(name.segment, name.start, name.end, fitting[0], 1.0) if fitting else None
    described = leaf.description or ""
    code = _coded(described).get(headline.kind.key) or _listed_code(described, headline.kind)
    if code:
        return Span(name.segment, name.start, name.end, code, 1.0)
    return name if plan.kind is Kind.TEXT else None


def _coded(description: str) -> Mapping[str, str]:
    """Read `380 invoice, 381 credit note` in a description as the codes of kinds."""
    pairs = ((match[1], kind_named(match[2].strip())) for match in _CODED.finditer(description))
    return {kind.key: code for code, kind in pairs if kind}


def _listed_code(description: str, kind: DocumentKind) -> str | None:
    return next(iter(kind.codes), None) if _CODE_LIST.search(description) else None
