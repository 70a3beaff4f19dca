"""Draw documents with tables by what stands in their rows, for tests of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pymupdf

from affidavit.engine.result import Document
from affidavit.engine.schema_check import Schema
from tests.engine.build import document_of

HEIGHT = 842.0
PITCH = 14.0


@dataclass
class Paper:
    """Pages written from top to bottom; a row is its texts by their left edge, `>` before a right one."""

    size: float = 9.0
    top: float = 60.0
    _pdf: pymupdf.Document = field(default_factory=pymupdf.open)
    _y: float = 0.0

    def page(self) -> Paper:
        self._pdf.new_page(width=595, height=HEIGHT)
        self._y = self.top
        return self

    def gap(self, height: float = PITCH) -> Paper:
        self._y += height
        return self

    def row(self, edges: Sequence[float], *texts: str, pitch: float = PITCH) -> Paper:
        """Write texts at their edges; a negative edge is the right one."""
        if not self._pdf.page_count:
            self.page()
        for edge, text in zip(edges, texts, strict=True):
            if text:
                x = edge if edge >= 0 else -edge - pymupdf.get_text_length(text, fontsize=self.size)
                self._pdf[-1].insert_text((x, self._y), text, fontsize=self.size)
        self._y += pitch
        return self

    def line(self, text: str, x: float = 50.0) -> Paper:
        return self.row([x], text)

    def document(self) -> Document:
        return document_of(self._pdf.tobytes())


TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def array(**properties: Schema) -> Schema:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def schema(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}
