"""See what the layout of a page has: items, clauses, transactions, fields to fill, a salutation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.engine.result import BlockType, Page

NARROW: Final = 0.55  # of a page's height; A4 is 0.71, a till's slip under 0.5
PROSE_WORDS: Final = 8  # in a line of running text

_AMOUNT = r"-?\d{1,3}(?:[.,' ]?\d{3})*[.,]\d{2}-?"
_DATE = r"(?:\d{1,4}[./-]\d{1,2}(?:[./-]\d{2,4})?|\d{1,2}\.? [a-z]{3,9}\.?(?: \d{2,4})?)"
_SALUTATION = (
    r"(?:dear|sehr geehrte|liebe|madame|monsieur|cher|chere|estimad[oa]|egregi|gentile|geachte|beste)\b"
    r".{0,60}"
)
_CLOSING = (
    r"(?:yours |sincerely|kind regards|best regards|mit freundlichen|cordialement|veuillez agreer|"
    r"atentamente|cordiali saluti|distinti saluti|met vriendelijke|hoogachtend).{0,60}"
)
_PATTERNS: Final[Mapping[str, tuple[str, int]]] = {  # what a row looks like, and how many rows must
    "line_items": (rf".*\D{_AMOUNT}\D+{_AMOUNT}\D*", 2),
    "totals": (
        r"(?:grand |sub)?total.*\d|summe.*\d|gesamt.*\d|montant.*\d|totale.*\d|importe.*\d|totaal.*\d",
        1,
    ),
    "transactions": (rf"{_DATE}\s.*\D{_AMOUNT}\D{{0,6}}", 4),
    "clauses": (
        r"(?:\u00a7+ ?\d|article \d|artikel \d|section \d|clause \d|art\. ?\d|\d{1,2}\.\d{1,2}\.? \w).*",
        3,
    ),
    "signature": (r".*(?:signature|signed by|unterschrift|fait a|firma:|handtekening|in witness).*", 1),
    "year_ranges": (
        r".*(?:19|20)\d\d ?[-\u2013] ?(?:(?:19|20)\d\d|present|today|heute|aujourd|actual|oggi|heden).*",
        3,
    ),
    "fields": (r".*(?:_{3,}|\.{6,}|: *)", 6),
    "checkboxes": (r".*(?:\[ ?x?\]|[\u2610-\u2612\u25a1\u25a0]).*", 2),
    "machine_readable": (r".*[a-z0-9]<<[a-z0-9<]+.*", 1),
    "salutation": (_SALUTATION, 1),
    "closing": (_CLOSING, 1),
    "mail_head": (
        r"(?:from|to|subject|sent|cc|von|an|betreff|gesendet|de|objet|envoye|asunto|oggetto|onderwerp) ?: .+",
        3,
    ),
    "references": (r"\[\d{1,3}\] .+", 5),
}
_COMPILED: Final = {name: (re.compile(pattern), least) for name, (pattern, least) in _PATTERNS.items()}


@dataclass(frozen=True, slots=True)
class Layout:
    """A page with the folded texts of its rows."""

    page: Page
    texts: Sequence[str]


def structures_of(page: Page, texts: Sequence[str]) -> frozenset[str]:
    """Return the names of what the page has, from `texts`, its folded rows."""
    by_rows = {
        name
        for name, (pattern, least) in _COMPILED.items()
        if sum(pattern.fullmatch(text) is not None for text in texts) >= least
    }
    layout = Layout(page, texts)
    return frozenset(by_rows | {name for name, is_there in _SHAPES.items() if is_there(layout)})


def _is_narrow(layout: Layout) -> bool:
    return layout.page.width < NARROW * layout.page.height


def _has_sections(layout: Layout) -> bool:
    return sum(block.type is BlockType.HEADING for block in layout.page.blocks) >= 2


def _is_prose(layout: Layout) -> bool:
    long = sum(len(text.split()) >= PROSE_WORDS for text in layout.texts)
    return long >= 8 and long >= 0.5 * len(layout.texts)


def _has_numeric_tables(layout: Layout) -> bool:
    numbers = sum(len(re.findall(r"\d{1,3}(?:[.,]\d{3})+", text)) >= 2 for text in layout.texts)
    return numbers >= 5


def _has_no_money(layout: Layout) -> bool:
    return not any(re.search(rf"\D{_AMOUNT}\D*$", text) for text in layout.texts)


_SHAPES: Final[Mapping[str, Callable[[Layout], bool]]] = {
    "narrow": _is_narrow,
    "sections": _has_sections,
    "prose": _is_prose,
    "numeric_tables": _has_numeric_tables,
    "no_money": _has_no_money,
}
