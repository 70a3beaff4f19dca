"""Keep the ledger: every page, and every word of the text layers, accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from affidavit.engine.result import Completeness, Document, Page, PageCounts, PageSource, Word
from affidavit.engine.stages.markdown import SOFT_HYPHEN, unescape
from affidavit.engine.stages.paragraphs import BULLET


def account(document: Document) -> Completeness:
    """Return the ledger of the document. Words are looked up in the Markdown, not assumed."""
    sources = Counter(page.source for page in document.pages)
    counts = PageCounts(
        total=len(document.pages) + len(document.failed),
        native=sources[PageSource.NATIVE],
        ocr=sources[PageSource.OCR],
        mixed=sources[PageSource.MIXED],
        blank=sources[PageSource.BLANK],
        failed=len(document.failed),
    )
    used = [page for page in document.pages if page.source in {PageSource.NATIVE, PageSource.MIXED}]
    expected = sum(page.text_layer_words for page in used)
    written = sum(words_in_markdown(page) for page in used)
    damaged = tuple(page.number for page in document.pages if page.damaged)
    return Completeness(
        ok=not document.failed and not damaged and expected == written,
        pages=counts,
        text_layer_words=expected,
        words_in_output=written,
        failed_pages=document.failed,
        damaged_pages=damaged,
        warnings=tuple(dict.fromkeys(warning for page in document.pages for warning in page.warnings)),
    )


def words_in_markdown(page: Page) -> int:
    """Count the text-layer words that stand in the page's Markdown, at most as many as there are.

    A word counts when its range holds its text, and no other word has the same place.
    """
    shown = [word for word in page.words if is_shown(word, page.markdown)]
    if page.source is PageSource.MIXED:
        shown = shown[: page.text_layer_words]
    return len(shown)


def is_shown(word: Word, markdown: str) -> bool:
    """Tell whether the Markdown holds the word at its range, as `markdown` says it may be written."""
    if word.range is None:
        return False
    shown = unescape(markdown[word.range[0] : word.range[1]])
    if word.text in shown or (shown == "-" and BULLET.fullmatch(word.text)):
        return True
    return word.text.rstrip("-\u2010" + SOFT_HYPHEN) in shown


def unshown(pages: Sequence[Page]) -> list[str]:
    """Return the ids of words that the Markdown does not hold."""
    return [word.id for page in pages for word in page.words if not is_shown(word, page.markdown)]
