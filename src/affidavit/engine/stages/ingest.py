"""Open a document of any readable kind, or say why not."""

from __future__ import annotations

import codecs
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import pymupdf

from affidavit.engine import media
from affidavit.engine.errors import CorruptDocument, NoPages, PasswordIncorrect, PasswordRequired
from affidavit.engine.spec import Spec
from affidavit.engine.stages.picture import ImageFile
from affidavit.engine.stages.sheet import PdfSheet, Sheet

pymupdf.TOOLS.mupdf_display_errors(False)  # they would print words of the document
pymupdf.TOOLS.mupdf_display_warnings(False)

# What PyMuPDF raises on bad input: its own errors are RuntimeErrors, MuPDF's are FzErrorBase.
PDF_ERRORS = (RuntimeError, ValueError, TypeError, pymupdf.mupdf.FzErrorBase)

TEXT_PAGE = (595.0, 842.0)  # A4 in points: plain text has no pages of its own
TEXT_SIZE = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a document, and the name that it came with."""

    data: bytes
    filename: str | None = None

    @classmethod
    def from_path(cls, path: Path) -> Self:
        """Read the file at `path`."""
        return cls(path.read_bytes(), path.name)

    @classmethod
    def from_descriptor(cls, descriptor: int, filename: str | None = None) -> Self:
        """Read the open file from its start; the descriptor stays open.

        The bytes are read rather than re-opened by /proc/self/fd, which a walled process may not do.
        """
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return cls(file.read(), filename)


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
    """A document that MuPDF pages: a PDF, or plain text."""

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
            return _open_text(source.data)
        case _:
            return ImageFile.open(source.data, media_type, spec.limits)


def _open_pdf(data: bytes, password: str | None) -> PdfFile:
    try:
        pdf = pymupdf.open(stream=data, filetype="pdf")
        _unlock(pdf, password)
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


def _open_text(data: bytes) -> PdfFile:
    text = decoded(data)
    if not text.strip():
        raise NoPages
    pages = pymupdf.open(stream=text.encode(), filetype="txt")
    pages.layout(width=TEXT_PAGE[0], height=TEXT_PAGE[1], fontsize=TEXT_SIZE)
    return PdfFile(pages, media.TEXT, pages.page_count)


def decoded(data: bytes) -> str:
    """Return the text of a plain-text file: by its byte order mark, else UTF-8, else Windows-1252."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Five bytes have no meaning in Windows-1252; Latin-1 would make control characters of them.
        return data.decode("cp1252", errors="replace")
