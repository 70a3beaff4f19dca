"""Find where a document says what a claim without values says, or the opposite of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz

from affidavit.engine.result import Citation
from affidavit.engine.stages.answers.answer import stems_in
from affidavit.engine.stages.answers.lookup import by_field
from affidavit.engine.stages.answers.question import Asked, question_about
from affidavit.engine.stages.answers.reader import Reader
from affidavit.engine.stages.claims.fact import Claim, is_negated, last_name
from affidavit.engine.stages.passages.passage import Passage, PassageKind
from affidavit.engine.stages.passages.terms import WORD, kin_of, stem_of, terms_of, words
from affidavit.engine.stages.values.folding import fold, squash

LOOKED_AT = 40
SAYS = 0.86  # of the claim's weight, that a passage must cover to say the same
IN_ORDER = 0.7  # of the claim's words, that must come in its order: who pays whom
LEAST_WORDS = 2
AGREES, DENIES, OTHER_NAME = 0.92, 0.88, 0.82
SURE_FIELD = 0.75
UNLIKE = 75  # of 100, under which two names are of two
CONDITIONAL = 0.8

_CLAUSES = re.compile(
    r"[;:,]\s|\s(?:and|but|however|whereas|while|und|aber|jedoch|mais|et|pero|y|ma|e|maar|en)\s"
)
_CONDITIONS = re.compile(
    r"(?<!\w)(?:unless|except|if|provided that|subject to|es sei denn|außer|sofern|falls|wenn|sauf|si|salvo"
    r"|tranne|tenzij)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the document says about the claim: the same, or not."""

    agrees: bool
    confidence: float
    citations: tuple[Citation, ...]


def statements(reader: Reader, claim: Claim) -> Iterator[Statement]:
    """Yield what the document says of a claim without values, surest first."""
    if len(claim.stems) < LEAST_WORDS:
        return
    ranked = [each.passage for each in reader.index.rank(claim.stems, LOOKED_AT)]
    said = [each for passage in ranked for each in _said(reader, claim, passage)]
    yield from sorted(said, key=lambda each: -each.confidence)
    if not any(each.agrees for each in said):
        yield from _other_names(reader, claim, ranked)


def _said(reader: Reader, claim: Claim, passage: Passage) -> Iterator[Statement]:
    stems = stems_in(f"{passage.text} {passage.headers}")
    turned = _antonyms(claim, stems)
    wanted = [stem for stem in claim.stems if stem not in turned]
    covered = reader.index.coverage(wanted, stems) if wanted else 0.0
    if covered < SAYS or not _same_modality(claim.text, passage.text):
        return
    if passage.text.rstrip().endswith("?") or not _in_order(wanted, passage):
        return
    denies = _denies(wanted, passage)
    if denies is None:
        return
    agrees = (denies == claim.is_negated) != bool(turned)
    is_conditional = bool(_CONDITIONS.search(passage.text)) and not _CONDITIONS.search(claim.text)
    if is_conditional and not agrees:
        return
    confidence = covered * (AGREES if agrees else DENIES) * (CONDITIONAL if is_conditional else 1.0)
    yield Statement(agrees, confidence, (reader.cite(passage.tokens),))


def _in_order(stems: Sequence[str], passage: Passage) -> bool:
    """Tell whether the claim's words come in its order; the cells of a row have none."""
    if passage.kind is not PassageKind.SENTENCE:
        return True
    said = [term.stem for term in terms_of(passage.text)]
    return _common(stems, said) >= IN_ORDER * len(stems)


def _common(wanted: Sequence[str], said: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(said) + 1)
    for stem in wanted:
        kin = kin_of(stem)
        before = 0
        for n, other in enumerate(said, start=1):
            here = row[n]
            row[n] = before + 1 if other in kin else max(row[n], row[n - 1])
            before = here
    return row[-1]


def _denies(wanted: Sequence[str], passage: Passage) -> bool | None:
    """Tell whether the clause that speaks of the claim denies it; None when no one clause does."""
    if not any(fold(found[0]) in words("negation") for found in WORD.finditer(passage.text)):
        return is_negated(passage.text)
    kin = [kin_of(stem) for stem in wanted]
    for clause in _CLAUSES.split(passage.text):
        stems = stems_in(clause)
        if sum(not stems.isdisjoint(each) for each in kin) >= SAYS * len(kin):
            return is_negated(clause)
    return None


def _same_modality(claim: str, said: str) -> bool:
    """Tell whether one does not oblige where the other allows."""
    mine, other = _modality(claim), _modality(said)
    return not (mine and other and mine.isdisjoint(other))


def _modality(text: str) -> frozenset[str]:
    found = {fold(each[0]) for each in WORD.finditer(text)}
    return frozenset(name for name in ("duty", "permission") if found & words(name))


def _antonyms(claim: Claim, said: frozenset[str]) -> frozenset[str]:
    """Return the claim's words of which the passage has the opposite instead."""
    return frozenset(
        stem
        for stem in claim.stems
        if said.isdisjoint(kin_of(stem)) and not said.isdisjoint(_opposites().get(stem, frozenset()))
    )


@cache
def _opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in words_pairs():
        one, other = ({stem_of(word) for word in side.split("/")} for side in pair)
        for mine, theirs in ((one, other), (other, one)):
            for stem in mine:
                found.setdefault(stem, set()).update(theirs)
    return {stem: frozenset(others) for stem, others in found.items()}


def words_pairs() -> Iterator[tuple[str, str]]:
    """Yield words and their opposites, each side with its spellings parted by slashes."""
    for pair in words("opposites"):
        one, _, other = pair.partition("|")
        yield one, other


def _other_names(reader: Reader, claim: Claim, ranked: Sequence[Passage]) -> Iterator[Statement]:
    """Yield where the document names another person, place or firm than the claim does."""
    named = last_name(claim.text)
    if named is None or claim.is_negated:
        return
    name, lead = named
    about = claim.text[: claim.text.rindex(name)]
    stems = tuple(dict.fromkeys(term.stem for term in terms_of(about)))
    if not stems:
        return
    for value, confidence, citations in by_field(reader, question_about(Asked.PARTY, about)):
        if confidence >= SURE_FIELD and _is_other(name, str(value)):
            yield Statement(agrees=False, confidence=OTHER_NAME * confidence, citations=citations)
    for passage in ranked:
        yield from _other_name_in(reader, passage, name, lead, stems)


def _other_name_in(
    reader: Reader, passage: Passage, name: str, lead: str, stems: Sequence[str]
) -> Iterator[Statement]:
    if passage.kind is PassageKind.PAIR:
        cell = passage.cells[0]
        header = stems_in(cell.header)
        met = reader.index.coverage(stems, header) >= SAYS and header <= {k for s in stems for k in kin_of(s)}
        if met and _is_other(name, cell.segment.text):
            cited = (reader.cite(cell.segment.tokens),)
            yield Statement(agrees=False, confidence=OTHER_NAME, citations=cited)
    elif passage.kind is PassageKind.SENTENCE and not is_negated(passage.text):
        if reader.index.coverage(stems, stems_in(passage.text)) < SAYS:
            return
        slot = re.search(rf"\b{re.escape(lead)}\s+(?:the\s+)?([A-Z\u00c0-\u00de][\w'\u2019-]+)", passage.text)
        if slot and squash(name) not in squash(passage.text) and _is_other(name, slot[1]):
            yield Statement(agrees=False, confidence=OTHER_NAME, citations=(reader.cite(passage.tokens),))


def _is_other(name: str, found: str) -> bool:
    return squash(name) not in squash(found) and fuzz.token_sort_ratio(fold(name), fold(found)) < UNLIKE
