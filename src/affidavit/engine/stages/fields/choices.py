"""Find the members of an enum, and yes or no, in the words and in check boxes."""

from __future__ import annotations

import re
from typing import Any

from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.stages.fields.boxes import box_before, options_in
from affidavit.engine.stages.fields.lexicon import CHECKED, NO, UNCHECKED, YES
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Segment
from affidavit.engine.stages.values.folding import fold

LATER = 0.4  # of a yes or no that does not come first: "paid: see note no. 3"

_TOKEN = re.compile(r"\S+")


def choice_spans(segment: Segment, leaf: Leaf, start: int = 0) -> list[Span]:
    """Return where a member of the leaf's enum, or a yes or no for a boolean, stands behind `start`."""
    if leaf.type is LeafType.BOOLEAN:
        return _booleans(segment, start)
    found = [span for choice in leaf.enum for span in _occurrences(segment, choice, start)]
    options = options_in(segment.text, start)
    if options:
        ticked = [option for option in options if option.is_checked]
        found = [span for span in found if any(o.start <= span.start and span.end <= o.end for o in ticked)]
    return sorted(found, key=lambda span: (span.start, -span.end))


def ticked_texts(segment: Segment, start: int) -> list[Span] | None:
    """Return the words of the ticked boxes behind `start`; None where there are no boxes with words."""
    options = [option for option in options_in(segment.text, start) if option.end > option.start]
    if not options:
        return None
    return [
        Span(segment, option.start, option.end, segment.text[option.start : option.end], 1.0)
        for option in options
        if option.is_checked
    ]


def ticked_before(segment: Segment, at: int) -> Span | None:
    """Return whether the box directly before the words at `at` is ticked; None without a box."""
    option = box_before(segment.text, at)
    return Span(segment, *option.box, option.is_checked, 1.0) if option else None


def _booleans(segment: Segment, start: int) -> list[Span]:
    options = options_in(segment.text, start)
    if options:
        return _boxed_booleans(segment, start)
    found = []
    for match in _TOKEN.finditer(segment.text, start):
        value = _truth(match[0])
        if value is not None:
            is_first = not any(map(str.isalnum, segment.text[start : match.start()]))
            found.append(Span(segment, match.start(), match.end(), value, 1.0 if is_first else LATER))
    return found


def _boxed_booleans(segment: Segment, start: int) -> list[Span]:
    """Read `[x] Yes [ ] No` by the ticked word, and a box without a word of its own by itself."""
    options = options_in(segment.text, start)
    spoken = [(option, _truth(segment.text[option.start : option.end])) for option in options]
    if any(truth is not None for _, truth in spoken):
        return [
            Span(segment, option.start, option.end, truth, 1.0)
            for option, truth in spoken
            if option.is_checked and truth is not None
        ]
    first = options[0]
    is_next = not any(map(str.isalnum, segment.text[start : first.box[0]]))
    return [Span(segment, *first.box, first.is_checked, 1.0)] if is_next else []


def _truth(token: str) -> bool | None:
    if not token:
        return None
    if token[0] in CHECKED:
        return True
    if token[0] in UNCHECKED:
        return False
    word = fold(token).strip(".,;:()")
    if word in YES or fold(token) in YES:
        return True
    return False if word in NO or fold(token) in NO else None


def _occurrences(segment: Segment, choice: Any, start: int) -> list[Span]:
    """Find a choice as whole words, as it is written or with its underscores as spaces."""
    wanted = re.escape(str(choice)).replace("_", r"[_\s-]").replace(r"\ ", r"[_\s-]")
    pattern = re.compile(rf"(?<!\w){wanted}(?!\w)", re.IGNORECASE)
    return [
        Span(segment, match.start(), match.end(), choice, 1.0 if match[0] == str(choice) else 0.95)
        for match in pattern.finditer(segment.text, start)
    ]
