"""Notice when MuPDF read on past damage, so that what it could not read is not silently missing.

MuPDF repairs and skips where it can and only remarks on it. These remarks are the one sign that a
page of a torn file has less on it than it should.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pymupdf

from affidavit.engine.stages.plain_text import TextSheet, letters
from affidavit.engine.stages.sheet import Sheet

DAMAGED: Final = "The file holds this page only in part: content of it is damaged and was not read."
REPAIRED: Final = "The file is damaged and was repaired to be read; pages or content of it may be missing."

# Substrings of the remarks of MuPDF 1.28 that mean lost content. Those on fonts, colour profiles
# and metadata are left out: sound files earn them too.
_SIGNS: Final = (
    "cannot load content stream",
    "content stream is not a stream",
    "page may not be correct",
    "premature end",
    "padding truncated image",
    "treating as end of file",
    "zlib error",
    "lzw decode",
    "jpeg error",
)


def forget() -> None:
    """Drop the remarks made so far, so that the next ones are of what comes next."""
    pymupdf.TOOLS.reset_mupdf_warnings()


def is_noticed() -> bool:
    """Tell whether content was lost since `forget`."""
    remarks = pymupdf.TOOLS.mupdf_warnings()
    return any(sign in remarks for sign in _SIGNS)


def is_short(sheet: Sheet, words: Iterable[str]) -> bool:
    """Tell whether a page of plain text, of which all is known, has letters that were not read."""
    return isinstance(sheet, TextSheet) and letters(" ".join(words)) < sheet.letters
