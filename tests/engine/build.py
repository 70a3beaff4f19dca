"""Documents built straight from a PDF's words, for tests of what comes after reading."""

from __future__ import annotations

import pymupdf

from affidavit.engine.result import Block, BlockType, Document, Line, Page, PageSource, Word


def document_of(pdf: bytes) -> Document:
    """Return the document that plain reading of a PDF gives: a paragraph per line, no tables."""
    opened = pymupdf.open(stream=pdf, filetype="pdf")
    pages = tuple(_page(opened[index], index + 1) for index in range(opened.page_count))
    return Document(media_type="application/pdf", page_count=len(pages), pages=pages)


def _page(page: pymupdf.Page, number: int) -> Page:
    rows: dict[tuple[int, int], list[tuple[float, float, float, float, str]]] = {}
    for x0, y0, x1, y1, text, block, line, _ in page.get_text("words"):
        rows.setdefault((block, line), []).append((x0, y0, x1, y1, text))
    words: list[Word] = []
    lines: list[Line] = []
    blocks: list[Block] = []
    texts: list[str] = []
    at = 0
    for index, row in enumerate(rows.values()):
        line_id, block_id = f"p{number}.l{index}", f"p{number}.b{index}"
        start = at
        ids = []
        for x0, y0, x1, y1, text in row:
            word_id = f"p{number}.w{len(words)}"
            span = (at, at + len(text))
            words.append(
                Word(
                    id=word_id,
                    text=text,
                    box=(x0, y0, x1, y1),
                    confidence=1.0,
                    line=line_id,
                    block=block_id,
                    range=span,
                )
            )
            ids.append(word_id)
            at += len(text) + 1
        box = (min(r[0] for r in row), min(r[1] for r in row), max(r[2] for r in row), max(r[3] for r in row))
        lines.append(Line(id=line_id, box=box, words=tuple(ids)))
        blocks.append(
            Block(id=block_id, type=BlockType.PARAGRAPH, box=box, range=(start, at - 1), lines=(line_id,))
        )
        texts.append(" ".join(r[4] for r in row))
        at += 1
    markdown = "\n\n".join(texts)
    return Page(
        number=number,
        width=page.rect.width,
        height=page.rect.height,
        dpi=72,
        source=PageSource.NATIVE,
        markdown=markdown,
        range=(0, len(markdown)),
        blocks=tuple(blocks),
        lines=tuple(lines),
        words=tuple(words),
        text_layer_words=len(words),
    )
