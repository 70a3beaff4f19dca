"""Tell the rows that close or carry a table from its items."""

from __future__ import annotations

import re
from collections.abc import Sequence

from affidavit.engine.stages.fields.lexicon import (
    AMOUNT_DUE,
    BY_KEY,
    CARRIED_LABELS,
    GROSS_TOTAL,
    LINE_SUM,
    NET_TOTAL,
    TAX_TOTAL,
    TOTAL_LABELS,
)
from affidavit.engine.stages.fields.phrases import label_key
from affidavit.engine.stages.fields.view import Segment
from affidavit.engine.stages.values.currencies import CURRENCY_CODES

STARTING_WORDS = 3
LABEL_AND_FIGURE, LABEL_AND_FIGURES = 2, 3  # cells

_SUMMED = (LINE_SUM, NET_TOTAL, TAX_TOTAL, GROSS_TOTAL, AMOUNT_DUE)
_LABELS = (*TOTAL_LABELS, *CARRIED_LABELS, *(label for key in _SUMMED for label in BY_KEY[key].strong))
_KEYS = frozenset(label_key(label) for label in _LABELS)
_SUMS = frozenset(label_key(label) for label in (*TOTAL_LABELS, *CARRIED_LABELS))
_CARRIED = frozenset(label_key(label) for label in CARRIED_LABELS)
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = frozenset(label_key(word) for label in _LABELS for word in _WORD.findall(label))
_CURRENCIES = frozenset(code.lower() for code in CURRENCY_CODES)


def is_total(cells: Sequence[Segment | None]) -> bool:
    """Tell whether a row is a sum, a tax or a carry-over: hardly more than such a label and figures."""
    filled = [cell for cell in cells if cell is not None and cell.tokens]
    if not filled:
        return False
    first = filled[0].text
    is_short = len(filled) <= LABEL_AND_FIGURE and _starts_with(first, _SUMS)
    is_label = len(filled) <= LABEL_AND_FIGURES and _is_label(first)
    return is_short or is_label or _ends_in_sum(filled)


def is_carried(cells: Sequence[Segment | None]) -> bool:
    """Tell whether a row carries a sum over to the next page, where the table goes on."""
    return any(_starts_with(cell.text, _CARRIED) for cell in cells if cell is not None)


def _starts_with(text: str, labels: frozenset[str]) -> bool:
    words = text.rstrip(" :").split()
    return any(label_key(" ".join(words[:length])) in labels for length in range(1, STARTING_WORDS + 1))


def _is_label(text: str) -> bool:
    """Tell whether a text is made of the words of such labels, one of which it spells in full."""
    words = [label_key(word) for word in _WORD.findall(text)]
    words = [word for word in words if word not in _CURRENCIES]
    if not words or not all(word in _WORDS for word in words):
        return False
    return any("".join(words[first:last]) in _KEYS for first, last in _windows(len(words)))


def _windows(count: int) -> list[tuple[int, int]]:
    return [(first, last) for first in range(count) for last in range(first + 1, count + 1)]


def _ends_in_sum(filled: Sequence[Segment]) -> bool:
    """Tell whether the last words of a row, before a last figure, are a sum's label and no more."""
    if len(filled) < LABEL_AND_FIGURE or not any(char.isdigit() for char in filled[-1].text):
        return False
    return label_key(filled[-2].text) in _SUMS
