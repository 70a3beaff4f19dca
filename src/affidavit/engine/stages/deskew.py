"""Measure how far a scan is turned off level, by how sharply its rows of ink stand apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WORKING_SIDE = 900  # pixels: enough for 0.1 degree over a line of text
WIDEST = 12.0  # degrees either way; beyond, a page was put in with intent
LEAST = 0.2  # degrees: less is not worth a resampling
BETTER_BY = 1.05  # the profile must be this much sharper than the level one
MAX_INK = 0.5  # more dark than light: a photograph, or a page that is not dark on light

Ink = NDArray[np.bool_]


def ink_of(image: Image.Image) -> Ink:
    """Return where an image is darker than its surroundings' middle: rows by columns."""
    grey = np.asarray(image.convert("L"))
    return grey < _threshold(grey)


def skew_of(image: Image.Image) -> float:
    """Return the angle in degrees by which the text runs down to the right; 0 when it is level."""
    small = image.convert("L")
    small.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    ink = ink_of(small)
    if not 0 < ink.mean() < MAX_INK:
        return 0.0
    rows, columns = np.nonzero(ink)
    coarse = _best(rows, columns, np.arange(-WIDEST, WIDEST + 0.01, 0.5))
    angle = _best(rows, columns, np.arange(coarse - 0.5, coarse + 0.51, 0.1))
    sharper = _sharpness(rows, columns, angle) > BETTER_BY * _sharpness(rows, columns, 0.0)
    return round(float(angle), 2) if sharper and LEAST <= abs(angle) < WIDEST else 0.0


def _best(rows: NDArray[np.intp], columns: NDArray[np.intp], angles: NDArray[np.float64]) -> float:
    return float(max(angles, key=lambda angle: _sharpness(rows, columns, float(angle))))


def _sharpness(rows: NDArray[np.intp], columns: NDArray[np.intp], angle: float) -> float:
    level = rows - columns * np.tan(np.radians(angle))
    profile = np.bincount((level - level.min()).astype(np.intp)).astype(np.float64)
    return float(np.square(np.diff(profile)).sum())


def _threshold(grey: NDArray[np.uint8]) -> float:
    """Return Otsu's threshold: the grey that parts the histogram into the two tightest classes."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(np.nanargmax(np.nan_to_num(between))) + 0.5
