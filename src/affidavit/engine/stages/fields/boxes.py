"""Read check boxes: which options of a line are ticked, whether the box stands before or behind its words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_BOX = re.compile(
    r"(?P<full>\[\s*[xX\u2713\u2714\u2717\u2718*]\s*\]|\(\s*[xX\u2713\u2714]\s*\)"
    r"|[\u2611\u2612\u2713\u2714\u2717\u2718\u22a0\u25a0\u25a3])"
    r"|(?P<empty>\[\s*\]|\(\s*\)|[\u2610\u25a1\u25fb\u274f])"
)


@dataclass(frozen=True, slots=True)
class Option:
    """A box and its words at `text[start:end]`; empty when the box has none."""

    start: int
    end: int
    is_checked: bool
    box: tuple[int, int]


def options_in(text: str, start: int = 0) -> list[Option]:
    """Return the options with boxes in `text[start:]`, in order; none where there are no boxes."""
    boxes = list(_BOX.finditer(text, start))
    if not boxes:
        return []
    if _has_words(text[start : boxes[0].start()]):
        ends = [start, *(box.end() for box in boxes)]
        return [_option(text, first, box.start(), box) for first, box in zip(ends, boxes, strict=False)]
    starts = [*(box.start() for box in boxes), len(text)]
    return [
        _option(text, box.end(), until, box) for box, (_, until) in zip(boxes, pairwise(starts), strict=True)
    ]


def box_before(text: str, at: int) -> Option | None:
    """Return the box that stands directly before `text[at:]`, where boxes stand before their words."""
    found = [box for box in _BOX.finditer(text, 0, at) if not text[box.end() : at].strip()]
    if not found or _has_words(text[: next(_BOX.finditer(text)).start()]):
        return None
    return _option(text, at, at, found[-1])


def _has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _option(text: str, start: int, end: int, box: re.Match[str]) -> Option:
    body = text[start:end].strip(" \t,;:/|")
    first = text.index(body, start) if body else start
    return Option(first, first + len(body), box["full"] is not None, box.span())
