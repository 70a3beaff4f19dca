"""Open a document of any readable kind, or say why not."""

from __future__ import annotations

import contextlib
import unicodedata
from dataclasses import dataclass
from typing import Protocol

import pymupdf

from affidavit.engine import media
from affidavit.engine.errors import CorruptDocument, NoPages, PasswordIncorrect, PasswordRequired
from affidavit.engine.source import Source
from affidavit.engine.spec import Spec
from affidavit.engine.stages import page_tree
from affidavit.engine.stages.picture import ImageFile
from affidavit.engine.stages.plain_text import TextFile
from affidavit.engine.stages.sheet import PdfSheet, Sheet

pymupdf.TOOLS.mupdf_display_errors(False)  # they would print words of the document
pymupdf.TOOLS.mupdf_display_warnings(False)

# What PyMuPDF raises on bad input: its own errors are RuntimeErrors, MuPDF's are FzErrorBase.
PDF_ERRORS = (RuntimeError, ValueError, TypeError, pymupdf.mupdf.FzErrorBase)


class OpenFile(Protocol):
    """An open document: how many pages it has, and each of them."""

    @property
    def media_type(self) -> str: ...

    @property
    def page_count(self) -> int: ...

    def sheet(self, number: int) -> Sheet:
        """Return the page of this 1-based number. Raises CorruptDocument."""


@dataclass(frozen=True, slots=True)
class PdfFile:
    """A PDF."""

    pdf: pymupdf.Document
    media_type: str
    page_count: int

    def sheet(self, number: int) -> PdfSheet:
        try:
            page = self.pdf.load_page(number - 1)
            return PdfSheet(page, number, is_repaired=bool(self.pdf.is_repaired))
        except PDF_ERRORS as error:
            raise CorruptDocument(f"page {number} cannot be loaded") from error


def open_file(source: Source, spec: Spec) -> OpenFile:
    """Open the document. Raises InputError and LimitExceeded, never anything else for bad bytes."""
    media_type = media.media_type_of(source.data[: media.HEAD_BYTES], source.filename)
    match media_type:
        case media.PDF:
            return _open_pdf(source.data, spec.options.password)
        case media.TEXT:
            return TextFile.open(source.data)
        case _:
            return ImageFile.open(source.data, media_type, spec.limits)


def _open_pdf(data: bytes, password: str | None) -> PdfFile:
    try:
        pdf = pymupdf.open(stream=data, filetype="pdf")
        _unlock(pdf, password)
        with contextlib.suppress(*PDF_ERRORS):  # a tree that cannot be walked stays as MuPDF sees it
            page_tree.mend(pdf)
        count = pdf.page_count
    except PDF_ERRORS as error:
        raise CorruptDocument("it cannot be opened as a PDF, not even after repair") from error
    if count <= 0:
        raise NoPages
    return PdfFile(pdf, media.PDF, count)


def _unlock(pdf: pymupdf.Document, password: str | None) -> None:
    if not pdf.needs_pass:
        return
    if not password:
        raise PasswordRequired
    # PDF 2.0 asks for SASLprep, which is NFKC for nearly every password; older writers took what was typed.
    forms = (password, *(unicodedata.normalize(form, password) for form in ("NFKC", "NFC", "NFD")))
    if not any(pdf.authenticate(form) for form in dict.fromkeys(forms)):
        raise PasswordIncorrect
