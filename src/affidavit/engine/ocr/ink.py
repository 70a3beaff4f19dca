"""Find where in a line's image its words begin and end, and put them back on the page.

The recogniser's columns say where a character was seen to within a third of its width. The ink
says it exactly: a word's edges are put into the white between it and its neighbour.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from affidavit.engine.ocr import neural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from affidavit.engine.result import BoundingBox

REACH = 1.0  # line heights from the centre of an outermost character to the edge of its ink, at most
BODY = (0.2, 0.75)  # share of the height that holds letters, but no underline nor a next line's tops
VERTICAL = 1.5  # a crop is turned when its height is this many times its width, as rapidocr has it


class Line:
    """A line of text: its corners on the page, clockwise from the top left, and its image.

    The image is the line straightened, `rapidocr`'s crop: turned by a quarter when it was upright.
    """

    def __init__(self, quad: NDArray[np.float32], crop: NDArray[np.uint8]) -> None:
        self._height, self._width = crop.shape[:2]
        self._to_page = _perspective(quad, self._width, self._height)
        self._ink = _ink(crop)
        self._profile: NDArray[np.bool_] = np.any(self._ink, axis=0, keepdims=False)
        top, bottom = (int(share * self._height) for share in BODY)
        self._body: NDArray[np.bool_] = np.any(self._ink[top : max(bottom, top + 1)], axis=0)

    def boxes(self, spans: list[tuple[float, float]]) -> list[BoundingBox]:
        """Return the box on the page of each word.

        `spans` are the centres of each word's first and last character, as shares of the width,
        from left to right.
        """
        if not spans:
            return []
        centres = [(start * self._width, end * self._width) for start, end in spans]
        lefts, rights = [self._outer_left(centres[0][0])], []
        for (_, end), (start, _) in pairwise(centres):
            right, left = self._between(end, start)
            rights.append(right)
            lefts.append(left)
        rights.append(self._outer_right(centres[-1][1]))
        return [self._on_page(left, right) for left, right in zip(lefts, rights, strict=True)]

    def _between(self, end: float, start: float) -> tuple[float, float]:
        low, high = int(min(end, start)), int(max(end, start)) + 1
        for profile in (self._profile, self._body):
            gap = _widest_white(profile[low:high])
            if gap is not None:
                return low + gap[0], low + gap[1]
        middle = (end + start) / 2
        return middle, middle

    def _outer_left(self, centre: float) -> float:
        low = max(0, int(centre - REACH * self._height))
        inked = np.flatnonzero(self._profile[low : max(int(centre), low + 1)])
        return float(low + inked[0]) if len(inked) else max(0.0, centre - self._height / 4)

    def _outer_right(self, centre: float) -> float:
        high = min(self._width, int(centre + REACH * self._height) + 1)
        low = min(int(centre), high - 1)
        inked = np.flatnonzero(self._profile[low:high])
        last = float(low + inked[-1] + 1) if len(inked) else centre + self._height / 4
        return min(last, float(self._width))

    def _on_page(self, left: float, right: float) -> BoundingBox:
        right = max(right, left + 1)
        rows = np.flatnonzero(self._ink[:, int(left) : int(np.ceil(right))].any(axis=1))
        top, bottom = (float(rows[0]), float(rows[-1] + 1)) if len(rows) else (0.0, float(self._height))
        corners = np.array(
            [[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]], dtype=np.float64
        )
        mapped = corners @ self._to_page.T
        points = mapped[:, :2] / mapped[:, 2:]
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        return (float(x0), float(y0), float(x1), float(y1))


def _perspective(quad: NDArray[np.float32], width: int, height: int) -> NDArray[np.float64]:
    """Return the matrix that takes a point of the crop to the page."""
    cv2 = neural.load("ppocr", "cv2")
    sides = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    across, down = max(sides[0], sides[2]), max(sides[1], sides[3])
    turned = int(down) / max(int(across), 1) >= VERTICAL
    corners = [[0, 0], [width, 0], [width, height], [0, height]]
    if turned:  # the crop was turned a quarter to the left: its left edge was the line's top
        corners = [[0, height], [0, 0], [width, 0], [width, height]]
    matrix: NDArray[np.float64] = cv2.getPerspectiveTransform(
        np.array(corners, dtype=np.float32), quad.astype(np.float32)
    )
    return matrix


def _ink(crop: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are of the rarer kind, dark or light: letters cover less than paper."""
    cv2: Any = neural.load("ppocr", "cv2")
    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    _, dark = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    ink: NDArray[np.bool_] = dark.astype(bool)
    return ~ink if ink.mean() > 0.5 else ink


def _widest_white(profile: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return the start and the end of the longest run without ink, None when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], profile, [True])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return None
    widest = int(np.argmax(ends - starts))
    return int(starts[widest]), int(ends[widest])
