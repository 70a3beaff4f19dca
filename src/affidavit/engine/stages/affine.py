"""Maps between the frames of a page: as displayed, upright, and pixels of a raster."""

from __future__ import annotations

import math
from typing import NamedTuple

from affidavit.engine.result import BoundingBox


class Affine(NamedTuple):
    """The map (x, y) -> (a x + c y + e, b x + d y + f); y grows downwards."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def then(self, after: Affine) -> Affine:
        """Return the map that does this one first and `after` second."""
        return Affine(
            after.a * self.a + after.c * self.b,
            after.b * self.a + after.d * self.b,
            after.a * self.c + after.c * self.d,
            after.b * self.c + after.d * self.d,
            after.a * self.e + after.c * self.f + after.e,
            after.b * self.e + after.d * self.f + after.f,
        )

    def inverse(self) -> Affine:
        """Return the map back. The map must not be singular."""
        det = self.a * self.d - self.b * self.c
        a, b, c, d = self.d / det, -self.b / det, -self.c / det, self.a / det
        return Affine(a, b, c, d, -(a * self.e + c * self.f), -(b * self.e + d * self.f))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return where the point goes."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def box(self, box: BoundingBox) -> BoundingBox:
        """Return the upright box around the image of `box`."""
        x0, y0, x1, y1 = box
        ax, bx = sorted((self.a * x0, self.a * x1))
        ay, by = sorted((self.c * y0, self.c * y1))
        cx, dx = sorted((self.b * x0, self.b * x1))
        cy, dy = sorted((self.d * y0, self.d * y1))
        return ax + ay + self.e, cx + cy + self.f, bx + by + self.e, dx + dy + self.f


IDENTITY = Affine()


def scale(factor: float) -> Affine:
    """Return the map that multiplies both axes by `factor`."""
    return Affine(factor, 0.0, 0.0, factor, 0.0, 0.0)


def shift(x: float, y: float) -> Affine:
    """Return the map that moves by (x, y)."""
    return Affine(1.0, 0.0, 0.0, 1.0, x, y)


def quarter_turn(degrees: int, width: float, height: float) -> Affine:
    """Return the map that turns a `width` by `height` sheet clockwise by a multiple of 90 degrees."""
    match degrees % 360:
        case 90:
            return Affine(0.0, 1.0, -1.0, 0.0, height, 0.0)
        case 180:
            return Affine(-1.0, 0.0, 0.0, -1.0, width, height)
        case 270:
            return Affine(0.0, -1.0, 1.0, 0.0, 0.0, width)
        case _:
            return IDENTITY


def turn_about(degrees: float, x: float, y: float) -> Affine:
    """Return the map that turns clockwise by `degrees` about (x, y)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Affine(cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y)
