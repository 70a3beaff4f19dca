"""Read values that stand under their labels: in a box of a form, or line under line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from affidavit.engine.result import Table
from affidavit.engine.stages.fields.view import Segment, Token, View, word_height

LABEL_WORDS = 5
VALUE_WORDS = 8
ABBREVIATED = 4  # letters and the full stop of `Nr.`; a longer word with one ends a sentence
NEAR = 1.7  # word heights from a label to its value
ALIGNED = 4.0  # points between the left edges of a label and its value
NOT_SMALLER = 1.05  # of the value's height: a label is not set larger than its value

Pair = tuple[Sequence[Token], Sequence[Token]]


def boxed_pairs(tables: Sequence[Table], view: View) -> Iterator[Pair]:
    """Yield the cells of several lines of which the first names what the others hold."""
    for table in tables:
        for cell in table.cells:
            tokens = view.tokens_of(cell.words)
            lines = [list(line) for _, line in groupby(tokens, key=lambda token: token.word.line)]
            if len(lines) > 1 and _names(lines[0]):
                yield lines[0], [token for line in lines[1:] for token in line]


def stacked_pairs(rows: Sequence[Sequence[Segment]]) -> Iterator[Pair]:
    """Yield the short lines that have one right under them, on the same left edge."""
    for row, following in pairwise(rows):
        for label in row:
            if not _names(label.tokens):
                continue
            value = next((each for each in following if _is_under(label, each)), None)
            if value is not None:
                yield label.tokens, value.tokens


def _names(tokens: Sequence[Token]) -> bool:
    text = " ".join(token.text for token in tokens)
    is_short = len(tokens) <= LABEL_WORDS and text[:1].isalpha() and ":" not in text[:-1]
    ends_sentence = text[-1:] in ";," or (text.endswith(".") and len(tokens[-1].text) > ABBREVIATED)
    return is_short and not ends_sentence and not any(char.isdigit() for char in text)


def _is_under(label: Segment, value: Segment) -> bool:
    height, large = word_height(label.tokens), word_height(value.tokens)
    return (
        label.page == value.page
        and len(value.tokens) <= VALUE_WORDS
        and abs(label.box[0] - value.box[0]) <= ALIGNED
        and 0 <= value.box[1] - label.box[3] + height <= NEAR * max(height, large)
        and height <= NOT_SMALLER * large
        and not value.text.rstrip().endswith(":")
    )
