"""Turn a page as it was displayed to where its text is upright, so that rows run from left to right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from affidavit.engine.result import Block, Cell, Document, Line, Page, Table, Word
from affidavit.engine.stages.affine import Affine, quarter_turn

Boxed = TypeVar("Boxed", Word, Line, Block, Cell, Table)


def upright_document(document: Document) -> Document:
    """Return the document with every page upright; itself when all pages are."""
    if not any(page.upright % 360 for page in document.pages):
        return document
    return document.model_copy(update={"pages": tuple(_upright(page) for page in document.pages)})


def _upright(page: Page) -> Page:
    if not page.upright % 360:
        return page
    frame = quarter_turn(page.upright, page.width, page.height)
    _, _, width, height = frame.box((0.0, 0.0, page.width, page.height))
    tables = (table.model_copy(update={"cells": _turned(table.cells, frame)}) for table in page.tables)
    turned = {
        "width": width,
        "height": height,
        "upright": 0,
        "words": _turned(page.words, frame),
        "lines": _turned(page.lines, frame),
        "blocks": _turned(page.blocks, frame),
        "tables": _turned(tables, frame),
    }
    return page.model_copy(update=turned)


def _turned(parts: Iterable[Boxed], frame: Affine) -> tuple[Boxed, ...]:
    return tuple(part.model_copy(update={"box": frame.box(part.box)}) for part in parts)
