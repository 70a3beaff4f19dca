"""Index the words of a document by their letters, and know which word may follow which."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

from affidavit.engine.result import Cell, Table
from affidavit.engine.stages.fields.view import Segment, Token, View
from affidavit.engine.stages.values.folding import squash

Position = int  # of a word in the whole document, in reading order

MOST_PARTS = 24  # of one word; a longer run of signs is drawn, not written
NO_ROW = -1
MOST_SPANNED = 8  # rows by one cell
ROWS_BELOW = 3  # how far down the next line of a column may stand
SPLIT_BETWEEN = re.compile(r"(?<!\d)[:=/,;]+|[:=/,;]+(?!\d)|[()\[\]<>\"|\u201c\u201d\u201e]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)  # Thai, Chinese, Japanese, Korean


class Words:
    """The words of a document, by position, with their folded letters and digits."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.tokens: tuple[Token, ...] = tuple(
            token for number in view.tokens for token in view.tokens[number]
        )
        self._parts: dict[str, tuple[str, ...]] = {}
        self.letters = ["".join(self._parts_of(token.text)) for token in self.tokens]
        self._starting: dict[str, list[tuple[Position, int]]] = {}
        self._inner: dict[str, list[Position]] = {}
        self._ends: dict[Position, tuple[int, ...]] = {}
        for position, letters in enumerate(self.letters):
            self._add(position, letters)

    def starting(self, letters: str) -> Sequence[tuple[Position, int]]:
        """Return the words that end with `letters` from a part's start on, and where in them it starts."""
        return self._starting.get(letters, ())

    def inside(self, letters: str) -> Sequence[Position]:
        """Return the words of which one part is `letters`, as in `No:4711/A`."""
        return self._inner.get(letters, ())

    def ends_at(self, position: Position, length: int) -> bool:
        """Tell whether a part of the word ends after `length` of its letters."""
        return length in self._ends.get(position, ())

    @cached_property
    def vocabulary(self) -> dict[int, list[str]]:
        """The different spellings, by their number of letters."""
        found: dict[int, list[str]] = {}
        for letters in self._starting:
            found.setdefault(len(letters), []).append(letters)
        return found

    @cached_property
    def page_starts(self) -> list[tuple[Position, int]]:
        """The first position of each page that has words, with the page's number, in order."""
        starts, at = [], 0
        for number, tokens in self.view.tokens.items():
            if tokens:
                starts.append((at, number))
            at += len(tokens)
        return starts

    def on_page(self, number: int) -> range:
        """Return the positions on a page."""
        starts = self.page_starts
        at = next((index for index, (_, page) in enumerate(starts) if page == number), None)
        if at is None:
            return range(0)
        end = starts[at + 1][0] if at + 1 < len(starts) else len(self.tokens)
        return range(starts[at][0], end)

    def following(self, position: Position) -> tuple[Position, ...]:
        """Return the words that may come next: in reading order, the row, the cell or the line below."""
        token = self.tokens[position]
        segment, index = self._place[position]
        found = [position + 1] if self._is_same_page(position, position + 1) else []
        if index + 1 < len(segment.tokens):
            found.append(self.position_of(segment.tokens[index + 1]))
        else:
            below = self.below(segment)
            found += [self.position_of(below.tokens[0])] if below else []
        in_cell = self._next_in_cell.get(token.word.id)
        if in_cell is not None:
            found.append(in_cell)
        return tuple(dict.fromkeys(found))

    def segment_of(self, position: Position) -> Segment:
        return self._place[position][0]

    def is_beside(self, position: Position, other: Position) -> bool:
        """Tell whether two words stand in one segment, no column between them."""
        return self._place[position][0] is self._place[other][0]

    def position_of(self, token: Token) -> Position:
        return self._by_id[token.word.id]

    def positions_of(self, word_ids: Sequence[str]) -> list[Position]:
        """Return the positions of these words, leaving out what no page has."""
        return [self._by_id[each] for each in word_ids if each in self._by_id]

    def below(self, segment: Segment) -> Segment | None:
        """Return the next line of the column, if one stands close under the segment."""
        key = (segment.row, segment.tokens[0].word.id)
        if key not in self._below:
            self._below[key] = next(self._under(segment), None)
        return self._below[key]

    def above(self, segment: Segment) -> Segment | None:
        """Return the line of the column whose next one is the segment."""
        for number in range(segment.row - 1, max(-1, segment.row - 1 - ROWS_BELOW), -1):
            for other in self.view.rows[number].segments:
                if self.below(other) is segment:
                    return other
        return None

    def cell_of(self, position: Position) -> list[Position]:
        """Return the words of the table cell in which a word stands."""
        return self.positions_of(self._cells.get(self.tokens[position].word.id, ()))

    def table_rows(self, position: Position) -> tuple[tuple[str, int], ...]:
        """Return the rows of tables in which a word stands: the table's id and the row's number."""
        return self._table_rows.get(self.tokens[position].word.id, ())

    def _under(self, segment: Segment) -> Iterator[Segment]:
        if segment.row == NO_ROW:
            return
        left, _, right, bottom = segment.box
        height = self.view.heights[segment.page]
        for number in range(segment.row + 1, segment.row + 1 + ROWS_BELOW):
            row = self.view.rows[number] if number < len(self.view.rows) else None
            if row is None or row.page != segment.page or row.box[1] - bottom > 2 * height:
                return
            for other in row.segments:
                if min(right, other.box[2]) > max(left, other.box[0]) or abs(left - other.box[0]) < height:
                    yield other

    def _is_same_page(self, position: Position, other: Position) -> bool:
        return other < len(self.tokens) and self.tokens[position].page == self.tokens[other].page

    def _add(self, position: Position, letters: str) -> None:
        if not letters:
            return
        self._starting.setdefault(letters, []).append((position, 0))
        parts = self._parts_of(self.tokens[position].text)
        if len(parts) < 2:
            return
        ends, at = [], 0
        for part in parts:
            if at:
                self._starting.setdefault(letters[at:], []).append((position, at))
            at += len(part)
            ends.append(at)
            if at < len(letters):
                self._inner.setdefault(letters[at - len(part) : at], []).append(position)
        self._ends[position] = tuple(ends)

    def _parts_of(self, text: str) -> tuple[str, ...]:
        """Return the parts of a word; the same words come again and again."""
        if text not in self._parts:
            self._parts[text] = tuple(parts_of(text))
        return self._parts[text]

    @cached_property
    def _by_id(self) -> dict[str, Position]:
        return {token.word.id: position for position, token in enumerate(self.tokens)}

    @cached_property
    def _place(self) -> dict[Position, tuple[Segment, int]]:
        places = {
            self._by_id[token.word.id]: (segment, index)
            for segment in self.view.segments
            for index, token in enumerate(segment.tokens)
        }
        for position, token in enumerate(self.tokens):
            if position not in places:  # it runs up the page, or stands in no row for another reason
                places[position] = Segment(page=token.page, row=NO_ROW, tokens=(token,)), 0
        return places

    @cached_property
    def _next_in_cell(self) -> dict[str, Position]:
        return {
            word: self._by_id[following]
            for _, cell in self._all_cells()
            for word, following in zip(cell.words, cell.words[1:], strict=False)
            if following in self._by_id
        }

    @cached_property
    def _cells(self) -> dict[str, tuple[str, ...]]:
        return {word: cell.words for _, cell in self._all_cells() for word in cell.words}

    @cached_property
    def _table_rows(self) -> dict[str, tuple[tuple[str, int], ...]]:
        return {
            word: tuple((table.id, cell.row + down) for down in range(min(cell.row_span, MOST_SPANNED)))
            for table, cell in self._all_cells()
            for word in cell.words
        }

    def _all_cells(self) -> Iterator[tuple[Table, Cell]]:
        for page in self.view.document.pages:
            for table in page.tables:
                yield from ((table, cell) for cell in table.cells)

    @cached_property
    def _below(self) -> dict[tuple[int, str], Segment | None]:
        return {}


def parts_of(text: str) -> list[str]:
    """Return the folded parts of a word between colons, brackets and the like; empty ones are left out."""
    spaced = _UNSPACED.sub(lambda char: f"|{char[0]}|", text) if _UNSPACED.search(text) else text
    parts = [squash(part) for part in SPLIT_BETWEEN.split(spaced, maxsplit=MOST_PARTS)]
    return [part for part in parts if part]


def nearest(positions: Sequence[Position], to: Position) -> Position | None:
    """Return the one of ascending `positions` that is nearest."""
    at = bisect_left(positions, to)
    around = positions[max(0, at - 1) : at + 1]
    return min(around, key=lambda each: abs(each - to)) if around else None
