"""Find the bands of ink on a nearly empty page that a detector of text overlooked.

The detector takes a word alone on a page for nothing: of 90 pages with one short line it found the
text of 18, and of all 90 once it was shown the surroundings of their ink alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTRAST = 64  # grey levels off the paper's, from which a pixel is ink
GAP = 0.03  # of the longer side: rows without ink that part two bands
MARGIN = 60  # pixels of paper shown around a band
LEAST = 6  # pixels: less is a speck
MOST_BANDS = 8
FEW = 5  # lines: with more on the page, the detector sees what the others are

Area = tuple[int, int, int, int]


def overlooked(grey: NDArray[np.uint8], quads: NDArray[np.float32]) -> list[Area]:
    """Return the bands of ink outside the lines already found, x0, y0, x1, y1 in pixels, with margins.

    Nothing when many lines were found or when there are more bands than a nearly empty page has.
    """
    if len(quads) >= FEW:
        return []
    paper = int(np.bincount(grey.ravel(), minlength=256).argmax())
    ink = np.abs(grey.astype(np.int16) - paper) > CONTRAST
    for quad in quads:
        (x0, y0), (x1, y1) = quad.min(axis=0), quad.max(axis=0)
        ink[max(int(y0) - LEAST, 0) : int(y1) + LEAST, max(int(x0) - LEAST, 0) : int(x1) + LEAST] = False
    rows: NDArray[np.bool_] = np.any(ink, axis=1, keepdims=False)
    bands = [area for run in _runs(rows, GAP * max(ink.shape)) if (area := _area(ink, *run))]
    return bands if len(bands) <= MOST_BANDS else []


def fresh(quads: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the lines whose middle lies in no known one: margins show what was found before."""
    if not len(known):
        return quads
    middles = quads.mean(axis=1)[:, None]
    inside = (known.min(axis=1) <= middles) & (middles <= known.max(axis=1))
    is_known: NDArray[np.bool_] = np.any(np.all(inside, axis=2, keepdims=False), axis=1, keepdims=False)
    return np.compress(~is_known, quads, axis=0)


def _runs(marked: NDArray[np.bool_], gap: float) -> list[tuple[int, int]]:
    """Return the runs of marked rows, joined over gaps that are not wider than `gap`."""
    places = np.flatnonzero(marked)
    if not len(places):
        return []
    ends = np.flatnonzero(np.diff(places) > gap)
    starts = [places[0], *places[ends + 1]]
    stops = [*places[ends], places[-1]]
    return [(int(start), int(stop) + 1) for start, stop in zip(starts, stops, strict=True)]


def _area(ink: NDArray[np.bool_], top: int, bottom: int) -> Area | None:
    columns = np.flatnonzero(ink[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    if max(bottom - top, right - left) < LEAST:
        return None
    height, width = ink.shape
    left, top = max(left - MARGIN, 0), max(top - MARGIN, 0)
    return left, top, min(right + MARGIN, width), min(bottom + MARGIN, height)
