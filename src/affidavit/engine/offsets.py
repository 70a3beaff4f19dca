"""Where each page's Markdown starts in the document's Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from affidavit.engine.result import Page

PAGE_SEPARATOR = "\n\n"


def page_offsets(pages: Sequence[Page]) -> list[int]:
    """Return, for each page in order, the code point at which its Markdown starts in the document.

    The document's Markdown is `PAGE_SEPARATOR.join(page.markdown for page in pages)`.
    """
    offsets: list[int] = []
    start = 0
    for page in pages:
        offsets.append(start)
        start += len(page.markdown) + len(PAGE_SEPARATOR)
    return offsets
