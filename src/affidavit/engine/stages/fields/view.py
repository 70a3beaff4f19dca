"""See a document as rows of text segments, straightened, so that geometry speaks about labels and values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

from affidavit.engine.offsets import page_offsets
from affidavit.engine.result import BoundingBox, Document, Page, PageSource, Word
from affidavit.engine.stages.fields.turned import upright_document
from affidavit.engine.stages.values.dates import DateOrder, date_order_of
from affidavit.engine.stages.values.numbers import DecimalSign, decimal_sign_of

SPLIT_GAP = 0.9  # of the page's word height; a space is 0.2 to 0.4, a column gap over 1
INK_TO_TYPE = 1.35  # a box from ascent to descent is 1.1 to 1.4 of the font size, ink is 0.7 to 0.95
WIDEST_SPLIT = 1.8
SPLIT_SPACES = 2.3  # of the narrow spaces of the page
ENOUGH_GAPS = 20  # to know the spaces of a page
SAME_ROW = 0.45  # of a word's height between centres
MIN_SLOPE = 0.002  # 0.1 degrees; less is rounding
LONG_LINE_WORDS = 3
TURNED_LETTERS = 3
TURNED = 0.5  # of its height is narrower than the narrowest three letters


@dataclass(frozen=True, slots=True)
class Token:
    """A word in its straightened place, upright; `order` counts the words of the page in reading order."""

    word: Word
    page: int
    order: int
    box: BoundingBox

    @property
    def text(self) -> str:
        return self.word.text

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Segment:
    """Words side by side without a column's gap. `row` counts over the whole document."""

    page: int
    row: int
    tokens: tuple[Token, ...]

    @cached_property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)

    @cached_property
    def box(self) -> BoundingBox:
        return union(token.box for token in self.tokens)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        starts, at = [], 0
        for token in self.tokens:
            starts.append(at)
            at += len(token.text) + 1
        return tuple(starts)

    def start_of(self, token: Token) -> int:
        """Return where `token` starts in `text`."""
        return self._starts[self.tokens.index(token)]

    def between(self, start: int, end: int) -> tuple[Token, ...]:
        """Return the tokens that `text[start:end]` touches."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        return tuple(
            token
            for token, at in zip(self.tokens[first:last], self._starts[first:last], strict=True)
            if start < at + len(token.text)
        )


@dataclass(frozen=True)
class Row:
    """Segments at one height of a page, from left to right. `number` counts over the document."""

    page: int
    number: int
    segments: tuple[Segment, ...]

    @cached_property
    def box(self) -> BoundingBox:
        return union(segment.box for segment in self.segments)

    @property
    def tokens(self) -> tuple[Token, ...]:
        return tuple(token for segment in self.segments for token in segment.tokens)


class View:
    """A document as rows, with what its text shows about how it writes numbers and dates.

    Its pages are upright, whatever way they are displayed; the words of tokens keep their displayed boxes.
    """

    def __init__(self, displayed: Document) -> None:
        document = self.document = upright_document(displayed)
        self.offsets = {
            page.number: offset
            for page, offset in zip(document.pages, page_offsets(document.pages), strict=True)
        }
        self.pages = {page.number: page for page in document.pages}
        self.tokens = {
            page.number: _straightened(page, shown.words)
            for page, shown in zip(document.pages, displayed.pages, strict=True)
        }
        self.heights = {page.number: _type_height(page, self.tokens[page.number]) for page in document.pages}
        self.rows: tuple[Row, ...] = tuple(self._all_rows())

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return tuple(segment for row in self.rows for segment in row.segments)

    @cached_property
    def decimal_sign(self) -> DecimalSign | None:
        return decimal_sign_of(segment.text for segment in self.segments)

    @cached_property
    def date_order(self) -> DateOrder | None:
        return date_order_of(segment.text for segment in self.segments)

    @cached_property
    def by_id(self) -> dict[str, Token]:
        return {token.word.id: token for tokens in self.tokens.values() for token in tokens}

    def tokens_of(self, word_ids: Iterable[str]) -> tuple[Token, ...]:
        """Return the tokens of these words, leaving out ids that no page has."""
        return tuple(self.by_id[word_id] for word_id in word_ids if word_id in self.by_id)

    @cached_property
    def _row_by_id(self) -> dict[str, int]:
        return {token.word.id: row.number for row in self.rows for token in row.tokens}

    def row_of(self, token: Token) -> int | None:
        """Return the number of the row in which `token` stands, None for one that runs up or down."""
        return self._row_by_id.get(token.word.id)

    def _all_rows(self) -> Iterable[Row]:
        number = 0
        for page in self.document.pages:
            tokens = self.tokens[page.number]
            height = self.heights[page.number]
            rows = _rows([token for token in tokens if not is_turned(token)])
            gap = column_gap(rows, height)
            for row_tokens in rows:
                segments = tuple(
                    Segment(page=page.number, row=number, tokens=part)
                    for part in split_at_gaps(row_tokens, height, gap)
                )
                yield Row(page=page.number, number=number, segments=segments)
                number += 1


def union(boxes: Iterable[BoundingBox]) -> BoundingBox:
    """Return the smallest box around `boxes`, of which there must be at least one."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def is_turned(token: Token) -> bool:
    """Tell whether a word runs up or down the page: some letters that are higher than wide."""
    x0, y0, x1, y1 = token.box
    return len(token.text) >= TURNED_LETTERS and x1 - x0 < TURNED * (y1 - y0)


def word_height(tokens: Sequence[Token]) -> float:
    """Return the median height of the words, in page units; 1 for a page without words, or with flat ones."""
    height = median(token.box[3] - token.box[1] for token in tokens) if tokens else 1.0
    return height if height > 0 else 1.0


def _type_height(page: Page, tokens: Sequence[Token]) -> float:
    """Return the height of the type, as the boxes of a text layer have it; the ink that OCR sees is less."""
    return word_height(tokens) * (INK_TO_TYPE if page.source is PageSource.OCR else 1.0)


def split_at_gaps(tokens: Sequence[Token], height: float, gap: float = SPLIT_GAP) -> list[tuple[Token, ...]]:
    """Cut words of one row, from left to right, where they are more than `gap` heights apart."""
    parts: list[list[Token]] = []
    for token in tokens:
        if parts and token.box[0] - parts[-1][-1].box[2] <= gap * height:
            parts[-1].append(token)
        else:
            parts.append([token])
    return [tuple(part) for part in parts]


def column_gap(rows: Sequence[Sequence[Token]], height: float) -> float:
    """Return the space, in word heights, from which on words of a page stand in different columns.

    Most spaces are between words of one text, and those of typewriter faces are wide; of all spaces
    a tenth is surely not wider than that.
    """
    gaps = sorted(
        (right.box[0] - left.box[2]) / height
        for row in rows
        for left, right in pairwise(row)
        if right.box[0] > left.box[2]
    )
    if len(gaps) < ENOUGH_GAPS:
        return SPLIT_GAP
    return min(WIDEST_SPLIT, max(SPLIT_GAP, SPLIT_SPACES * gaps[len(gaps) // 10]))


def _rows(tokens: Sequence[Token]) -> list[list[Token]]:
    rows: list[list[Token]] = []
    for token in sorted(tokens, key=lambda token: token.middle):
        anchor = rows[-1][0] if rows else None
        if anchor and token.middle - anchor.middle <= SAME_ROW * (anchor.box[3] - anchor.box[1]):
            rows[-1].append(token)
        else:
            rows.append([token])
    return [sorted(row, key=lambda token: token.box[0]) for row in rows]


def _straightened(page: Page, displayed: Sequence[Word]) -> tuple[Token, ...]:
    """Return the words of an upright page, with the skew of a scan taken out of their boxes."""
    slope = _slope(page)
    middle = page.width / 2
    tokens = []
    for order, (word, shown) in enumerate(zip(page.words, displayed, strict=True)):
        x0, y0, x1, y1 = word.box
        shift = slope * ((x0 + x1) / 2 - middle)
        lean = slope * ((y0 + y1) / 2 - page.height / 2)
        box = (x0 + lean, y0 - shift, x1 + lean, y1 - shift)
        tokens.append(Token(word=shown, page=page.number, order=order, box=box))
    return tuple(tokens)


def _slope(page: Page) -> float:
    """Return how far the text lines fall per unit to the right: the median over the long lines."""
    boxes = {word.id: word.box for word in page.words}
    slopes = []
    for line in page.lines:
        points = [
            ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            for box in (boxes[word] for word in line.words if word in boxes)
        ]
        if len(points) >= LONG_LINE_WORDS and points[-1][0] != points[0][0]:
            slopes.append((points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0]))
    slope = median(slopes) if slopes else 0.0
    return slope if abs(slope) > MIN_SLOPE else 0.0
