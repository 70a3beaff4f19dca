"""Answer a question from a document: gather what may answer it, weigh it, keep what is sure enough."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from affidavit.engine.result import Citation
from affidavit.engine.stages.answers.definition import definitions
from affidavit.engine.stages.answers.listing import listed
from affidavit.engine.stages.answers.lookup import by_field
from affidavit.engine.stages.answers.parties import SURE as PARTIES_SURE
from affidavit.engine.stages.answers.parties import parties
from affidavit.engine.stages.answers.question import Asked, Question
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.answers.values import TYPED, Value, json_value, values_in
from affidavit.engine.stages.passages.passage import Passage, PassageKind
from affidavit.engine.stages.passages.ranking import Ranked
from affidavit.engine.stages.passages.row import Cell
from affidavit.engine.stages.passages.terms import Term, kin_of, stem_of, terms_of
from affidavit.engine.stages.values.folding import fold, squash

LOOKED_AT = 40  # passages, the best ones
LEAST_LABEL = 0.5  # of the question's weight, that a label must cover to name the value beside it
LEAST = 0.6  # confidence, under which the document is said not to answer
RIVALRY = 0.8  # of its confidence when another value is as likely
AS_LIKELY = 0.97
SENTENCE = 0.9  # a whole sentence answers, but not to the point
LABELLED = 0.97
FAR = 160  # characters between the word that was asked for and the value
FAR_COST = 0.3
BETWEEN = 0.8  # for each value that stands nearer
BEFORE = 0.85  # for a value before its word
QUALIFIES = 3.0  # how much more a year or another number that was asked for tells than a word
OTHER_ROW = 0.35  # of a row whose own label says something that was not asked for
IN_PROSE = 0.97
WHOLE = 0.98
SURPLUS = 0.3  # of a label that says more than was asked for
UNNAMED, UNHEADED = 0.8, 0.9  # a cell whose column is called otherwise, or has no header
NEVER_SURE = 0.97

ASIDE = 0.5  # for a name that a word in brackets does not speak of
_OPENING = re.compile(r"[,\s]*[^()]{0,60}\([^()]{0,60}")

# What a column with such values is called, though no one asks for it by that name.
_IMPLIED = {
    Asked.NUMBER: tuple(map(stem_of, ("quantity", "number"))),
    Asked.AMOUNT: tuple(map(stem_of, ("amount", "price", "total"))),
    Asked.DATE: (stem_of("date"),),
    Asked.PERCENT: tuple(map(stem_of, ("rate", "percent"))),
}
# What answers a question too: due within 30 days, a discount of 2 %.
_INSTEAD = {Asked.DATE: Asked.DURATION, Asked.AMOUNT: Asked.PERCENT}
_COUNTED = frozenset({Asked.NUMBER, Asked.DURATION, Asked.PERCENT})


@dataclass(frozen=True, slots=True)
class Found:
    """An answer: its words, the value as JSON, how sure it is (0 to 1), and where it stands.

    `typed` is the value before it became JSON, `passage` where it was found, None for a field.
    """

    text: str
    value: Any
    confidence: float
    citations: tuple[Citation, ...]
    typed: Any = None
    passage: Passage | None = None


def answer(reader: Reader, question: Question) -> Found | None:
    """Return the answer, or None when the document does not give one surely enough."""
    best = next(iter(answers(reader, question)), None)
    if best is None or best.confidence < LEAST:
        return None
    return replace(best, confidence=min(NEVER_SURE, best.confidence))


def answers(reader: Reader, question: Question) -> list[Found]:
    """Return what may answer the question, surest first."""
    for names, named in parties(reader, question):
        return [Found("; ".join(names), names, PARTIES_SURE, tuple(reader.cite(each) for each in named))]
    match question.asked:
        case Asked.DEFINITION:
            found = [_of_tokens(reader, *each) for each in definitions(reader, question)]
        case Asked.LIST:
            found = [
                Found(each.text, list(each.items), each.confidence, each.citations)
                for each in listed(reader, question)
            ]
        case _:
            found = []
    if not found:
        found = list(_typed(reader, question))
    instead = _INSTEAD.get(question.asked)
    if instead and not any(each.confidence >= LEAST for each in found):
        found += list(_typed(reader, replace(question, asked=instead)))
    return _with_rivals(sorted(found, key=lambda each: -each.confidence))


def _typed(reader: Reader, question: Question) -> Iterator[Found]:
    for value, confidence, citations in by_field(reader, question):
        text = citations[0].quote if citations else str(value)
        yield Found(text, value, confidence, citations, typed=_typed_again(value, question.asked))
    for ranked in reader.index.rank((*question.stems, *question.soft), LOOKED_AT):
        if has_exact(ranked.passage, question.exact):
            yield from _of_passage(reader, question, ranked)


def _of_passage(reader: Reader, question: Question, ranked: Ranked) -> Iterator[Found]:
    passage = ranked.passage
    match passage.kind:
        case PassageKind.PAIR | PassageKind.ROW:
            yield from _of_cells(reader, question, passage)
        case PassageKind.SENTENCE | PassageKind.HEADING:
            yield from _of_sentence(reader, question, passage)


def _of_cells(reader: Reader, question: Question, passage: Passage) -> Iterator[Found]:
    """Yield the values of the cells that the question names by their header and by the rest of the row."""
    for cell in passage.cells:
        own = stems_in(cell.segment.text)
        header = stems_in(cell.header)
        beside = stems_in(passage.text) - own if passage.kind is PassageKind.ROW else frozenset()
        if not _is_qualified(passage, cell.header, question.exact):
            continue
        covered = reader.index.coverage(question.stems, header | beside | stems_in(passage.context))
        if covered < LEAST_LABEL:
            continue
        named = _meets((*question.stems, *question.soft, *_IMPLIED.get(question.asked, ())), header)
        tight = 1 - SURPLUS * _surplus(header if named else beside, question)
        if named and passage.kind is PassageKind.ROW:
            tight *= 1 - OTHER_ROW * _surplus(_row_label(passage, cell), question)
        is_it = named and covered >= WHOLE and tight >= WHOLE
        for value in _cell_values(reader, question, cell.segment, is_named=named, is_it=is_it):
            place = 1.0 if named else UNHEADED if not cell.header else UNNAMED
            confidence = covered * LABELLED * value.fit * tight * place
            yield _of_value(reader, passage, value, confidence)


def _is_qualified(passage: Passage, header: str, exact: Sequence[str]) -> bool:
    """Tell whether the numbers of a question that only headers have are in this cell's header."""
    said, over = squash(passage.text + passage.context), squash(header)
    return all(squash(each) in said or squash(each) in over for each in exact)


def _row_label(passage: Passage, cell: Cell) -> frozenset[str]:
    """Return the stems of the first cell in words, which says what the row is about."""
    wordy = (
        stems_in(other.segment.text)
        for other in passage.cells
        if other is not cell and any(map(str.isalpha, other.segment.text))
    )
    return next(wordy, frozenset())


def _cell_values(
    reader: Reader, question: Question, segment: Any, *, is_named: bool, is_it: bool
) -> list[Value]:
    """Return what a cell holds; `is_it`: its label is the question, neither more nor less."""
    if question.asked in TYPED:
        found = values_in(segment, question.asked, reader.spans)
        if is_named and question.asked is Asked.AMOUNT:
            found = [replace(each, fit=max(each.fit, 0.9)) for each in found]
        if question.asked is not Asked.PARTY or found:
            return found[:3]
    is_wordy = any(char.isalnum() for char in segment.text)
    fit = 1.0 if is_it else 0.9
    return [Value(segment.text, segment.text, segment.tokens, 0, fit)] if is_named and is_wordy else []


def _of_sentence(reader: Reader, question: Question, passage: Passage) -> Iterator[Found]:
    said = stems_in(passage.text)
    covered = reader.index.coverage(question.stems, said | stems_in(passage.context))
    inside = reader.index.coverage(question.stems, said)
    covered = inside + (covered - inside) * 0.6
    if covered < LEAST_LABEL or passage.text.rstrip().endswith("?"):
        return
    kind = 1.0 if passage.kind is PassageKind.SENTENCE else 0.75
    if question.asked in TYPED:
        values = [
            value
            for value in values_in(passage.segment, question.asked, reader.spans)
            if not stems_in(value.text) <= _askable(question)
        ]
        for value in values:
            near = _nearness(reader, passage, value, values, question)
            yield _of_value(reader, passage, value, covered * value.fit * near * kind * IN_PROSE)
        if question.asked is not Asked.PARTY:
            return
        kind *= 0.85 if not values else 0.7
    if len(said) > len(question.stems):
        whole = _of_tokens(reader, passage.tokens, covered * SENTENCE * kind)
        yield replace(whole, passage=passage)


def _nearness(
    reader: Reader, passage: Passage, value: Value, values: Sequence[Value], question: Question
) -> float:
    """Return how close a value stands to the words that were asked for, 0 to 1, the telling ones most."""
    terms = terms_of(passage.text)
    whole = near = 0.0
    for stem in (*question.stems, *question.soft):
        kin = kin_of(stem)
        places = [
            term
            for term in terms
            if term.stem in kin and not value.start <= term.start < value.start + len(value.text)
        ]
        if places:
            weight = reader.index.weight(stem)
            weight = QUALIFIES * max(1.0, weight) if stem.isdigit() else weight
            whole += weight
            near += weight * max(_near(passage.text, term, value, values, question.asked) for term in places)
    return near / whole if whole else 1 - FAR_COST


def _near(text: str, term: Term, value: Value, values: Sequence[Value], asked: Asked) -> float:
    """Judge one word: a value behind it is the rule, except for counts; values between them come first."""
    end = value.start + len(value.text)
    is_after = term.end <= value.start
    first, last = (term.end, value.start) if is_after else (end, term.start)
    if asked is Asked.PARTY and _in_brackets(text, term):
        return ASIDE if is_after or not _OPENING.fullmatch(text[first:last]) else 1.0
    between = sum(first <= each.start < last for each in values)
    is_usual = is_after or asked in _COUNTED or term.stem.isdigit()
    near = 1 - FAR_COST * min(1.0, (last - first) / FAR)
    return near * BETWEEN**between * (1.0 if is_usual else BEFORE)


def _in_brackets(text: str, term: Term) -> bool:
    """Tell whether a word stands in brackets, where it names what stands before them: X (the "Seller")."""
    before = text[: term.start]
    return before.rfind("(") > before.rfind(")")


def _askable(question: Question) -> frozenset[str]:
    return _kin_of_all((*question.stems, *question.soft))


def _kin_of_all(stems: Iterable[str]) -> frozenset[str]:
    return frozenset(kin for stem in stems for kin in kin_of(stem))


def stems_in(text: str) -> frozenset[str]:
    """Return the stems of the words in `text` that say something."""
    return frozenset(term.stem for term in terms_of(text))


def _typed_again(value: Any, asked: Asked) -> Any:
    if asked is Asked.DATE and isinstance(value, str):
        return date.fromisoformat(value[:10])
    return Decimal(str(value)) if isinstance(value, int | float) else value


def _meets(stems: Iterable[str], others: frozenset[str]) -> bool:
    return any(not others.isdisjoint(kin_of(stem)) for stem in stems)


def _surplus(label: frozenset[str], question: Question) -> float:
    """Return the share of a label's words that the question does not have."""
    known = _askable(question) | _kin_of_all(_IMPLIED.get(question.asked, ()))
    return len(label - known) / len(label) if label else 0.0


def has_exact(passage: Passage, exact: Sequence[str]) -> bool:
    """Tell whether a passage, with what stands over it, has these quotes and numbers."""
    if not exact:
        return True
    text = fold(f"{passage.context} {passage.headers} {passage.text}")
    squashed = squash(text)
    words = {word.strip(".,;:()\"'%") for word in text.split()}
    return all(fold(each) in words if each[0].isdigit() else squash(each) in squashed for each in exact)


def _of_value(reader: Reader, passage: Passage, value: Value, confidence: float) -> Found:
    return Found(
        text=value.text.strip(),
        value=json_value(value.value),
        confidence=confidence,
        citations=(reader.cite(value.tokens),),
        typed=value.value,
        passage=passage,
    )


def _of_tokens(reader: Reader, tokens: Sequence[Any], confidence: float) -> Found:
    text = " ".join(token.text for token in tokens)
    return Found(text, text, confidence, (reader.cite(tokens),))


def _with_rivals(found: Sequence[Found]) -> list[Found]:
    """Lower the first answer when another value is as likely."""
    if not found:
        return []
    first, *others = found
    for other in others:
        if other.confidence < AS_LIKELY * first.confidence:
            break
        if squash(str(other.value)) not in squash(str(first.value)) and squash(first.text) not in squash(
            other.text
        ):
            return [replace(first, confidence=first.confidence * RIVALRY), *others]
    return list(found)
