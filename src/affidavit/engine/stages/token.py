"""What the stages pass on: words, ruling lines and pictures of a page, before they have ids.

Boxes are in the *reading frame*: page units, the page turned so that its text is upright and level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.affine import IDENTITY, Affine


class Token(NamedTuple):
    """A word. `segment` numbers the run of words that its source holds together.

    `size` is the font size, or the height of the line for OCR, in page units. `turned` marks text
    that does not run left to right in the reading frame, `faint` text that is drawn so that it may not be
    seen, and `hidden` text that is not.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    segment: int
    confidence: float = 1.0
    bold: bool = False
    native: bool = True
    turned: bool = False
    faint: bool = False
    hidden: bool = False

    @property
    def box(self) -> BoundingBox:
        return self.x0, self.y0, self.x1, self.y1

    def moved(self, frame: Affine) -> Token:
        """Return the word with its box mapped by `frame`."""
        x0, y0, x1, y1 = frame.box(self.box)
        return self._replace(x0=x0, y0=y0, x1=x1, y1=y1)


class Rule(NamedTuple):
    """A ruling line, level or plumb: from (x0, y0) to (x1, y1), of no width."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def level(self) -> bool:
        return self.x1 - self.x0 >= self.y1 - self.y0


@dataclass(frozen=True, slots=True)
class PageContent:
    """All that is known of a page when its layout begins. `to_display` leads out of the reading frame."""

    tokens: list[Token]
    rules: list[Rule]
    to_display: Affine = IDENTITY


def union(boxes: list[BoundingBox]) -> BoundingBox:
    """Return the smallest box around all of `boxes`, of which there is at least one."""
    if len(boxes) == 1:
        return boxes[0]
    x0s, y0s, x1s, y1s = zip(*boxes, strict=True)
    return min(x0s), min(y0s), max(x1s), max(y1s)
