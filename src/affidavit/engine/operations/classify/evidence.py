"""Weigh what the words and the layout of pages say for each kind and for each label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.engine.operations.classify.structure import structures_of
from affidavit.engine.operations.kinds import EXACT, KINDS, WORDS, DocumentKind, match_title, numbered_kinds
from affidavit.engine.result import Page
from affidavit.engine.stages.fields.view import Row, Token, View
from affidavit.engine.stages.values.folding import fold

UPPER: Final = 0.45  # of the page, where titles stand
TITLE: Final = 3.2
PHRASE, WORD = 0.55, 0.3  # of several words, of one
MOST_PHRASES: Final = 2.6  # that phrases count together
HEADED: Final = 1.25  # times the words' height, from which on a line stands out
MOST_ROWS: Final = 400
NUMBERED: Final = 1.3  # a label that numbers documents of the kind
SMALL_PRINT: Final = 0.5  # of a title's weight when it does not stand out
ALONE: Final = 0.8  # when it has a line of its own

# How much a layout says for a kind whose documents have it.
STRUCTURE: Final[Mapping[str, float]] = {
    "line_items": 0.6,
    "totals": 0.4,
    "transactions": 1.4,
    "clauses": 1.2,
    "signature": 0.3,
    "year_ranges": 1.2,
    "fields": 1.2,
    "checkboxes": 1.0,
    "machine_readable": 3.0,
    "salutation": 1.4,
    "closing": 1.0,
    "mail_head": 2.6,
    "references": 1.2,
    "narrow": 1.0,
    "sections": 0.4,
    "prose": 0.5,
    "numeric_tables": 0.8,
    "no_money": 0.3,
}


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that speaks for a class. `words` are folded and can be found again; empty for layout."""

    weight: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class PageText:
    """A page to classify: its rows, their folded texts, its words on one string, and what its layout has."""

    page: Page
    rows: tuple[Row, ...]
    texts: tuple[str, ...]
    joined: str
    stems: frozenset[str]
    top_stems: frozenset[str]
    structures: frozenset[str]
    titles: Mapping[str, Sign]

    @property
    def is_blank(self) -> bool:
        return not self.joined.strip()


def read_page(page: Page, rows: Sequence[Row], height: float) -> PageText:
    """Return a page with what is needed to weigh it. `height` is of its words."""
    rows = tuple(rows[:MOST_ROWS])
    texts = tuple(fold(" ".join(segment.text for segment in row.segments)) for row in rows)
    words = [WORDS.findall(text) for text in texts]
    top = [
        each
        for row, found in zip(rows, words, strict=True)
        if row.box[1] < UPPER * page.height and row.box[3] - row.box[1] > HEADED * height
        for each in found
    ]
    return PageText(
        page=page,
        rows=rows,
        texts=texts,
        joined=" " + " ".join(word for found in words for word in found) + " ",
        stems=frozenset(stem(word) for found in words for word in found),
        top_stems=frozenset(map(stem, top)),
        structures=structures_of(page, texts),
        titles=_titles(page, rows, height),
    )


def rows_by_page(view: View) -> dict[int, list[Row]]:
    """Return the rows of each page that has some."""
    rows: dict[int, list[Row]] = {}
    for row in view.rows:
        rows.setdefault(row.page, []).append(row)
    return rows


def read_pages(view: View) -> list[PageText]:
    """Return all pages of a document with what is needed to weigh them."""
    rows = rows_by_page(view)
    return [
        read_page(page, rows.get(page.number, ()), view.heights[page.number]) for page in view.document.pages
    ]


def signs_of_kind(kind: DocumentKind, text: PageText) -> list[Sign]:
    """Return what a page says for a kind of document."""
    signs = [text.titles[kind.key]] if kind.key in text.titles else []
    room = MOST_PHRASES
    for phrase in kind.phrases:
        if room > 0 and f" {_spelled(phrase)} " in text.joined:
            weight = min(room, PHRASE if " " in phrase else WORD)
            signs.append(Sign(weight, _spelled(phrase)))
            room -= weight
    signs.extend(Sign(STRUCTURE[name]) for name in kind.structure if name in text.structures)
    return signs


def strongest_kinds(text: PageText) -> dict[str, float]:
    """Return how much a page says for each kind, by its key."""
    return {kind.key: total(signs_of_kind(kind, text)) for kind in KINDS}


def total(signs: Iterable[Sign]) -> float:
    return sum(sign.weight for sign in signs)


def stem(word: str) -> str:
    """Cut the commonest endings of six languages: enough to meet a plural, not grammar."""
    word = word.replace("'", "").replace("\u2019", "")
    if len(word) > 5:
        return re.sub(r"(?:ungen|ments?|tions?|ings?|ies|es|en|er|s|e|n|y)$", "", word)
    return word.removesuffix("s") if len(word) > 3 else word


def find_words(rows: Sequence[Row], words: str) -> tuple[Token, ...]:
    """Return the first tokens, in one row, that spell `words`; none when they do not stand there."""
    wanted = words.split()
    for row in rows:
        spelled = [WORDS.findall(fold(token.text)) for token in row.tokens]
        flat = [(word, at) for at, found in enumerate(spelled) for word in found]
        for start in range(len(flat) - len(wanted) + 1):
            if [word for word, _ in flat[start : start + len(wanted)]] == wanted:
                return row.tokens[flat[start][1] : flat[start + len(wanted) - 1][1] + 1]
    return ()


def _spelled(phrase: str) -> str:
    return " ".join(WORDS.findall(phrase))


def _titles(page: Page, rows: Sequence[Row], height: float) -> dict[str, Sign]:
    """Return the best title of each kind in the upper part of a page."""
    found: dict[str, Sign] = {}
    for title, weight in _title_lines(page, rows, height):
        kind, words = title
        if kind not in found or weight > found[kind].weight:
            found[kind] = Sign(weight, words)
    return found


def _title_lines(page: Page, rows: Sequence[Row], height: float) -> Iterator[tuple[tuple[str, str], float]]:
    for row in rows:
        if row.box[1] > UPPER * page.height:
            return
        for segment in row.segments:
            match = match_title(segment.text)
            for kind, words in numbered_kinds(segment.text):
                yield (kind, words), NUMBERED
            if match:
                stands_out = segment.box[3] - segment.box[1] > HEADED * height or segment.text.isupper()
                is_alone = match.quality == EXACT and len(row.segments) == 1
                share = 1.0 if stands_out else ALONE if is_alone else SMALL_PRINT
                yield (match.kind, match.title), TITLE * match.quality * share
