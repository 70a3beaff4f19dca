"""Find words that a text layer has and that nobody sees: in the colour of the paper, tiny, undrawn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affidavit.engine.stages.affine import scale
from affidavit.engine.stages.sheet import UNITS_PER_INCH, PdfSheet
from affidavit.engine.stages.text_layer import TINY, TextLayer
from affidavit.engine.stages.token import Token

LOOK_DPI: Final = 100.0  # a stroke of 8-point print is about a pixel
SEEN: Final = 24  # grey levels between the lightest and the darkest pixel of a word, from which it is seen
MOST_PIXELS: Final = 20_000_000  # larger sheets are looked at more coarsely
SCANNED: Final = 0.5  # share of undrawn words that makes a layer somebody's OCR of what is seen

WARNING: Final = (
    "{count} word(s) on this page cannot be seen: they are tiny, not drawn, or in the colour of what is "
    "behind them."
)


def marked(sheet: PdfSheet, layer: TextLayer) -> TextLayer:
    """Return the layer with its unseen words marked. Only words that are drawn faintly are looked at."""
    if layer.hidden > SCANNED or not any(token.faint for token in layer.tokens):
        return layer
    dpi = _dpi(sheet)
    grey = np.asarray(sheet.raster(dpi).convert("L")).astype(np.int16)
    to_pixels = layer.to_display.then(scale(dpi / UNITS_PER_INCH))
    return replace(
        layer,
        tokens=[
            token._replace(hidden=token.faint and _is_unseen(token.moved(to_pixels), token.size, grey))
            for token in layer.tokens
        ],
    )


def _is_unseen(token: Token, size: float, grey: NDArray[np.int16]) -> bool:
    if size < TINY:
        return True
    x0, y0, x1, y1 = (max(0, round(side)) for side in token.box)
    part = grey[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    return part.size == 0 or int(part.max()) - int(part.min()) < SEEN


def _dpi(sheet: PdfSheet) -> float:
    area = sheet.width * sheet.height * (LOOK_DPI / UNITS_PER_INCH) ** 2
    return LOOK_DPI * min(1.0, math.sqrt(MOST_PIXELS / max(area, 1.0)))
