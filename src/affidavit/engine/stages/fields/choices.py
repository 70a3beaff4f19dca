"""Find the members of an enum, and yes or no, in the words."""

from __future__ import annotations

import re
from typing import Any

from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.stages.fields.lexicon import CHECKED, NO, UNCHECKED, YES
from affidavit.engine.stages.fields.spans import Span
from affidavit.engine.stages.fields.view import Segment
from affidavit.engine.stages.values.folding import fold

_TOKEN = re.compile(r"\S+")


def choice_spans(segment: Segment, leaf: Leaf) -> list[Span]:
    """Return where a member of the leaf's enum, or a yes or no for a boolean, stands in `segment`."""
    if leaf.type is LeafType.BOOLEAN:
        return _booleans(segment)
    found = [span for choice in leaf.enum for span in _occurrences(segment, choice)]
    return sorted(found, key=lambda span: (span.start, -span.end))


def _booleans(segment: Segment) -> list[Span]:
    found = []
    for match in _TOKEN.finditer(segment.text):
        value = _truth(match[0])
        if value is not None:
            found.append(Span(segment, match.start(), match.end(), value, 1.0))
    return found


def _truth(token: str) -> bool | None:
    if token[0] in CHECKED:
        return True
    if token[0] in UNCHECKED:
        return False
    word = fold(token).strip(".,;:()")
    if word in YES or fold(token) in YES:
        return True
    return False if word in NO or fold(token) in NO else None


def _occurrences(segment: Segment, choice: Any) -> list[Span]:
    """Find a choice as whole words, as it is written or with its underscores as spaces."""
    wanted = re.escape(str(choice)).replace("_", r"[_\s-]").replace(r"\ ", r"[_\s-]")
    pattern = re.compile(rf"(?<!\w){wanted}(?!\w)", re.IGNORECASE)
    return [
        Span(segment, match.start(), match.end(), choice, 1.0 if match[0] == str(choice) else 0.95)
        for match in pattern.finditer(segment.text)
    ]
