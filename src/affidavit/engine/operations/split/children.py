"""Write each part of a PDF as a PDF of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pymupdf

from affidavit.engine import media
from affidavit.engine.operations.generate.naming import ascii_of
from affidavit.engine.operations.port import Artifact
from affidavit.engine.operations.shapes.split import Part
from affidavit.engine.source import Source
from affidavit.engine.spec import Spec
from affidavit.engine.stages.ingest import PDF_ERRORS, PdfFile, open_file

MOST_FILES: Final = 500
PDF_ONLY = "The file is no PDF, so its parts were not written as files of their own."
TOO_LARGE = "The parts together would pass the limit on output, so the last ones were not written."
TOO_MANY = f"Only the first {MOST_FILES} parts were written as files."


@dataclass(slots=True)
class Children:
    """The files, the name of each part's by the part's number, and what was left out."""

    artifacts: list[Artifact] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_children(parts: Sequence[Part], source: Source, spec: Spec) -> Children:
    """Write the parts. A file that cannot be cut gives no files and a note, never an error."""
    children = Children()
    file = open_file(source, spec)
    if not isinstance(file, PdfFile) or file.media_type != media.PDF:
        children.notes.append(PDF_ONLY)
        return children
    if len(parts) > MOST_FILES:
        children.notes.append(TOO_MANY)
    room = spec.limits.output_bytes // 2  # the result itself needs the rest
    for part in parts[:MOST_FILES]:
        data = _cut(file.pdf, part.pages)
        if data is None:
            children.notes.append(f"Part {part.number} could not be written as a file.")
            continue
        room -= len(data)
        if room < 0:
            children.notes.append(TOO_LARGE)
            break
        name = f"part-{part.number:03d}-{_slug(part.topic)}.pdf"
        children.artifacts.append(Artifact(name=name, media_type=media.PDF, data=data))
        children.names[part.number] = name
    return children


def _cut(pdf: pymupdf.Document, pages: Sequence[int]) -> bytes | None:
    try:
        with pymupdf.open() as child:
            for first, last in runs_of(pages):
                child.insert_pdf(pdf, from_page=first - 1, to_page=last - 1)
            return bytes(child.tobytes(garbage=3, deflate=True, no_new_id=True))
    except PDF_ERRORS:
        return None


def runs_of(pages: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of neighbouring pages as (first, last)."""
    runs: list[tuple[int, int]] = []
    for page in pages:
        if runs and page == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], page)
        else:
            runs.append((page, page))
    return runs


def _slug(topic: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", ascii_of(topic).lower()).strip("-")[:60] or "document"
