"""Read an address that goes on over several lines, from its first line down."""

from __future__ import annotations

from collections.abc import Callable

from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.towns import country_code, find_town
from affidavit.engine.stages.fields.view import Segment, View

MOST_LINES = 6
PITCH = 2.0  # word heights from line to line
COMPLETE, PARTIAL, UNLIKE = 1.0, 0.75, 0.4  # fit: with a town, with a number, with neither


def grown_address(view: View, segment: Segment, start: int, ends: Callable[[Segment], bool]) -> Span | None:
    """Return the address that starts at `segment.text[start:]`, down to its town or what `ends` it."""
    first = segment.text[start:].strip(" :,-")
    if not any(char.isalnum() for char in first):
        return None
    at = segment.text.index(first, start)
    lines = [(first, segment.between(at, at + len(first)))]
    left = lines[0][1][0].box[0]
    last = segment
    for below in _under(view, segment, left):
        if _has_town(lines[-1][0]) and country_code(below.text) is None:
            break
        if below.box[1] - last.box[1] > PITCH * view.heights[segment.page] or ends(below):
            break
        lines.append((below.text.strip(" ,"), below.tokens))
        last = below
        if len(lines) == MOST_LINES or country_code(below.text):
            break
    whole = Segment(segment.page, segment.row, tuple(token for _, tokens in lines for token in tokens))
    value = ", ".join(text.strip(" ,") for text, _ in lines)
    return Span(whole, 0, len(whole.text), value, _fit(value, [text for text, _ in lines]))


def _under(view: View, segment: Segment, left: float) -> list[Segment]:
    """Return the first segment that starts at `left` in each of the rows below, as far as there are any."""
    height = view.heights[segment.page]
    found = []
    for row in view.rows[segment.row + 1 : segment.row + 1 + 2 * MOST_LINES]:
        if row.page != segment.page:
            break
        found += [each for each in row.segments if abs(each.box[0] - left) <= height][:1]
    return found


def _has_town(line: str) -> bool:
    pieces = [line, *(piece.strip() for piece in line.split(",")), ", ".join(line.split(", ")[-2:])]
    return any(find_town(piece) for piece in pieces)


def _fit(value: str, lines: list[str]) -> float:
    if any(_has_town(line) for line in lines):
        return COMPLETE
    return PARTIAL if any(char.isdigit() for char in value) else UNLIKE
