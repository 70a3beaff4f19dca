"""Find places to write on pages that have no fields: blanks, boxes to tick, labels with room behind them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from affidavit.engine.operations.forms.label import spelled
from affidavit.engine.operations.shapes.forms import FieldSource, FieldType, FormField
from affidavit.engine.result import BoundingBox, Match
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import Row, Segment, Token, View, union
from affidavit.engine.stages.values.folding import squash

MOST_FIELDS = 5_000
LEAST_ROOM = 60.0  # points behind a label, from which on something can be written there
LABEL_WORDS = 8
LONGEST_NAME = 60  # characters
_BLANK = re.compile(r"_{3,}|\.{6,}|\u2026{2,}")
_BOX = re.compile(r"^(?:[\u2610\u25a1\u25a2\u2751\u274f]|\[[ _]?\]|\([ _]?\))$")
_TICKED = re.compile(r"^(?:[\u2611\u2612\u25a0\u2714]|\[[xX]\]|\([xX]\))$")


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to write: in a box, for what the words of its label say."""

    kind: FieldType
    page: int
    box: BoundingBox
    label: tuple[Token, ...]
    is_ticked: bool = False


def flat_fields(view: View, pages: Sequence[int]) -> Iterator[FormField]:
    """Yield the places to write on these pages, named by their labels, at most MOST_FIELDS."""
    names: Counter[str] = Counter()
    chosen = frozenset(pages)
    rows = (row for row in view.rows if row.page in chosen)
    found = (place for row in rows for place in _of_row(row, view))
    for place in islice(found, MOST_FIELDS):
        label = spelled(place.label)
        name = (squash(label or "") or place.kind.value)[:LONGEST_NAME]
        names[name] += 1
        yield FormField(
            name=f"flat.{name}" if names[name] == 1 else f"flat.{name}.{names[name]}",
            type=place.kind,
            source=FieldSource.FLAT,
            value=place.is_ticked if place.kind is FieldType.CHECKBOX else None,
            page=place.page,
            box=place.box,
            label=label,
            citations=(cite(view, place.label, Match.EXACT),) if place.label else (),
        )


def _of_row(row: Row, view: View) -> Iterator[Place]:
    for n, segment in enumerate(row.segments):
        following = row.segments[n + 1] if n + 1 < len(row.segments) else None
        yield from _boxes(segment, following)
        blanks = list(_blanks(segment, row.segments[n - 1] if n else None))
        yield from blanks
        if not blanks and segment.text.endswith((":", "\uff1a")) and len(segment.tokens) <= LABEL_WORDS:
            yield from _room(segment, following, view)


def _blanks(segment: Segment, before: Segment | None) -> Iterator[Place]:
    """Yield the runs of underscores or dots, each with the words before it."""
    label: list[Token] = []
    for token in segment.tokens:
        found = _BLANK.search(token.text)
        if not found:
            label.append(token)
            continue
        words = [*label, *([token] if found.start() else [])] or list(before.tokens if before else ())
        yield Place(FieldType.TEXT, segment.page, _part(token, found), tuple(words[-LABEL_WORDS:]))
        label = []


def _part(token: Token, found: re.Match[str]) -> BoundingBox:
    """Return the box of a part of a word, its letters taken as equally wide."""
    x0, y0, x1, y1 = token.word.box
    each = (x1 - x0) / len(token.text)
    return x0 + found.start() * each, y0, x0 + found.end() * each, y1


def _boxes(segment: Segment, following: Segment | None) -> Iterator[Place]:
    """Yield the signs for a box to tick, with the words up to the next one."""
    tokens = segment.tokens
    signs = list(_signs(tokens))
    for place, (first, last, ticked) in enumerate(signs):
        is_last = place + 1 == len(signs)
        end = len(tokens) if is_last else signs[place + 1][0]
        label = tokens[last:end] or (following.tokens if following and is_last else ())
        box = union(token.word.box for token in tokens[first:last])
        yield Place(FieldType.CHECKBOX, segment.page, box, tuple(label[:LABEL_WORDS]), is_ticked=ticked)


def _signs(tokens: Sequence[Token]) -> Iterator[tuple[int, int, bool]]:
    """Yield where a sign starts and ends among the words, and whether it is ticked; `[ ]` is two words."""
    for n, token in enumerate(tokens):
        if _BOX.match(token.text):
            yield n, n + 1, False
        elif _TICKED.match(token.text):
            yield n, n + 1, True
        elif token.text in ("[", "(") and n + 1 < len(tokens) and tokens[n + 1].text in ("]", ")"):
            yield n, n + 2, False


def _room(segment: Segment, following: Segment | None, view: View) -> Iterator[Place]:
    _, y0, x1, y1 = segment.tokens[-1].word.box
    page = view.pages[segment.page]
    margin = min(token.word.box[0] for token in view.tokens[segment.page])
    end = following.tokens[0].word.box[0] - 6 if following else page.width - margin
    if end - x1 >= LEAST_ROOM and (following is None or following.text.endswith(":")):
        yield Place(FieldType.TEXT, segment.page, (x1 + 4, y0, end, y1), segment.tokens)
