"""Put citations in the place of the JSON that stands for them, under the ids that the format gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from affidavit.bundle import citations

MAX_DEPTH: Final = 60  # of values in values; results have a dozen

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation under its id, `c1` or `r1`: the words on a page, or a box that a person drew."""

    id: str
    page: int
    box: Box | None
    words: tuple[str, ...]
    quote: str
    match: str


def placed(result: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the result with each citation in it as `Cited`; what is nested beyond reason becomes None."""
    found = {id(each.value): _cited(each.id, each.value) for each in citations.find(result, prefix)}
    return {key: _with(value, found, 1) for key, value in result.items()}


def box_of(value: Any) -> Box | None:
    """Return four numbers that make a rectangle, else None."""
    match value:
        case [x0, y0, x1, y1] if all(map(_is_length, value)) and x0 <= x1 and y0 <= y1:
            return (float(x0), float(y0), float(x1), float(y1))
    return None


def merged(boxes: Iterable[Box]) -> Iterator[Box]:
    """Yield the boxes of words, those that follow each other on one line as one."""
    current: Box | None = None
    for box in boxes:
        if current is not None and _are_neighbours(current, box):
            current = _union(current, box)
            continue
        if current is not None:
            yield current
        current = box
    if current is not None:
        yield current


def _with(value: Any, found: Mapping[int, Cited], depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    match value:
        case dict() if id(value) in found:
            return found[id(value)]
        case dict():
            return {key: _with(member, found, depth + 1) for key, member in value.items()}
        case list():
            return [_with(member, found, depth + 1) for member in value]
        case _:
            return value


def _cited(id_: str, value: Mapping[str, Any]) -> Cited:
    words = value["words"] if isinstance(value["words"], list) else []
    return Cited(
        id=id_,
        page=value["page"] if isinstance(value["page"], int) else 0,
        box=box_of(value["box"]),
        words=tuple(word for word in words if isinstance(word, str)),
        quote=value["quote"] if isinstance(value["quote"], str) else "",
        match=value["match"] if isinstance(value["match"], str) else "",
    )


def _union(one: Box, other: Box) -> Box:
    return (min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3]))


def _are_neighbours(left: Box, right: Box) -> bool:
    height = min(left[3] - left[1], right[3] - right[1])
    overlap = min(left[3], right[3]) - max(left[1], right[1])
    return overlap > height / 2 and -height < right[0] - left[2] < 1.5 * height


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e6
