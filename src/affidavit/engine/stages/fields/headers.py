"""Find the names of columns: a row of labels, with the lines above and below it that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.fields.labels import Hit
from affidavit.engine.stages.fields.view import Row, Segment, Token, View, union

PITCH = 1.5  # word heights between the lines of one header
LINES = 4  # of a header over and under the row with the most names
SHORT = 3  # words in a line of a header over or under that row
NAMED = 0.3  # share of a row's segments that are labels, from which it names columns
LEAST_NAMES = 3

HitsOf = Mapping[int, Sequence[Hit]]  # by the id of their segment


@dataclass(frozen=True)
class Header:
    """The names of columns, from left to right, in the rows `first` to `last` of the view."""

    names: tuple[Segment, ...]
    first: int
    last: int


def header_parts(row: Row, hits: HitsOf) -> list[Segment]:
    """Return the names in a row: its segments, cut where one holds nothing but several labels."""
    return [part for segment in row.segments for part in _cut(segment, hits.get(id(segment), ()))]


def complete(view: View, at: int, names: Sequence[Segment]) -> Header:
    """Return the header with its other lines, which stand close, without digits and in few words."""
    columns = list(names)
    reached = {-1: at, 1: at}
    for step in (-1, 1):
        for _ in range(LINES):
            here, there = reached[step], reached[step] + step
            if not 0 <= there < len(view.rows) or not _belongs(view, here, there, columns):
                break
            columns = _with_line(columns, view.rows[there])
            reached[step] = there
    ordered = tuple(sorted(columns, key=lambda column: column.box[0]))
    return Header(ordered, reached[-1], reached[1])


def parted_by(header: Header, rows: Sequence[Row], hits: HitsOf) -> Header:
    """Cut names under which the rows show two columns side by side."""
    names = [part for name in header.names for part in _parted(name, rows, hits)]
    return replace(header, names=tuple(names))


def is_header(row: Row, hits: HitsOf) -> bool:
    """Tell whether a row names the columns of a table: three or more without digits, some of them labels."""
    if len(row.segments) < 2 or has_digits(row.tokens):
        return False
    if len(row.segments) < LEAST_NAMES:
        return all(_is_label(segment, hits.get(id(segment), ())) for segment in row.segments)
    named = sum(any(hit.start == 0 for hit in hits.get(id(segment), ())) for segment in row.segments)
    return named >= NAMED * len(row.segments)


def _is_label(segment: Segment, hits: Sequence[Hit]) -> bool:
    return any(hit.start == 0 and hit.end == len(segment.text) for hit in hits)


def lines_of(tokens: Sequence[Token]) -> list[tuple[Token, ...]]:
    """Return the words of a cell line by line, each from left to right."""
    lines: list[list[Token]] = []
    for token in sorted(tokens, key=lambda token: (token.page, token.middle)):
        first = lines[-1][0] if lines else None
        if first and first.page == token.page and _is_level(first, token):
            lines[-1].append(token)
        else:
            lines.append([token])
    return [tuple(sorted(line, key=lambda token: token.box[0])) for line in lines]


def _is_level(one: Token, other: Token) -> bool:
    return abs(other.middle - one.middle) <= (one.box[3] - one.box[1]) / 2


def _cut(segment: Segment, hits: Sequence[Hit]) -> list[Segment]:
    """Cut between words that no label joins, where every word is part of a label."""
    labels = [hit.tokens for hit in hits]
    if not all(any(token in label for label in labels) for token in segment.tokens):
        return [segment]
    parts = [[segment.tokens[0]]]
    for before, token in pairwise(segment.tokens):
        if not any(before in label and token in label for label in labels):
            parts.append([])
        parts[-1].append(token)
    return [Segment(segment.page, segment.row, tuple(part)) for part in parts]


def _belongs(view: View, here: int, there: int, columns: Sequence[Segment]) -> bool:
    row, other = view.rows[here], view.rows[there]
    pitch = abs(other.box[1] - row.box[1]) / view.heights[row.page]
    if other.page != row.page or pitch > PITCH or has_digits(other.tokens):
        return False
    box = union(column.box for column in columns)
    is_within = other.box[0] > box[0] - (box[2] - box[0]) / 4 and len(other.segments) <= len(columns) + 1
    ends = any(token.text.endswith(":") for token in other.tokens)
    return is_within and not ends and all(len(segment.tokens) <= SHORT for segment in other.segments)


def has_digits(tokens: Sequence[Token]) -> bool:
    """Tell whether a figure stands in any of the words."""
    return any(char.isdigit() for token in tokens for char in token.text)


def _with_line(columns: Sequence[Segment], row: Row) -> list[Segment]:
    merged = list(columns)
    for segment in row.segments:
        over = [at for at, column in enumerate(merged) if _overlap(segment.box, column.box) > 0]
        if not over:
            merged.append(segment)
            continue
        column = merged[over[0]]
        tokens = (token for line in lines_of((*column.tokens, *segment.tokens)) for token in line)
        merged[over[0]] = Segment(column.page, column.row, tuple(tokens))
    return merged


def _overlap(one: BoundingBox, other: BoundingBox) -> float:
    return min(one[2], other[2]) - max(one[0], other[0])


def _parted(name: Segment, rows: Sequence[Row], hits: HitsOf) -> Iterator[Segment]:
    """Cut a name before words under which other segments stand than under the words before them."""
    place = _parting(name, rows, hits)
    if place is None:
        yield name
        return
    left = tuple(token for token in name.tokens if _centre(token) <= place)
    right = tuple(token for token in name.tokens if _centre(token) > place)
    yield Segment(name.page, name.row, left)
    yield from _parted(Segment(name.page, name.row, right), rows, hits)


def _parting(name: Segment, rows: Sequence[Row], hits: HitsOf) -> float | None:
    """Return the first place between two words that the rows below part; in one label, figure from figure."""
    line = max(lines_of(name.tokens), key=len)
    labels = [hit.tokens for found in hits.values() for hit in found if hit.segment.row == name.row]
    for before, token in pairwise(line):
        place = (before.box[2] + token.box[0]) / 2
        is_label = any(before in tokens and token in tokens for tokens in labels)
        if _is_parted_at(place, name.box, rows, figures=is_label):
            return place
    return None


def _is_parted_at(place: float, box: BoundingBox, rows: Sequence[Row], *, figures: bool) -> bool:
    parted = crossed = 0
    for row in rows:
        under = [each for each in row.segments if _overlap(each.box, box) > 0]
        crossed += any(each.box[0] < place < each.box[2] for each in under)
        if not figures or all(has_digits(each.tokens) for each in under):
            before, behind = (
                (each.box[2] <= place for each in under),
                (each.box[0] >= place for each in under),
            )
            parted += any(before) and any(behind)
    return parted > crossed


def _centre(token: Token) -> float:
    return (token.box[0] + token.box[2]) / 2
