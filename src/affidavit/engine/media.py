"""Tell what a file is from its first bytes. Imports no reader, so that the door can use it."""

from __future__ import annotations

import codecs
import re

from affidavit.engine.errors import EmptyDocument, UnsupportedFormat

PDF = "application/pdf"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
WEBP = "image/webp"
TEXT = "text/plain"

SUPPORTED = {PDF: "PDF", PNG: "PNG", JPEG: "JPEG", TIFF: "TIFF", WEBP: "WebP", TEXT: "plain text"}
SUPPORTED_NAMES = ", ".join(SUPPORTED.values())

HEAD_BYTES = 4096  # what `media_type_of` wants to see of a file
PDF_WINDOW = 1024  # readers accept junk before the header up to here (PDF 1.7, Annex H, note 13)

_READABLE: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),  # BigTIFF
    (b"MM\x00+", TIFF),
)

_KNOWN: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file (an older or encrypted Office document)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"%!PS", "a PostScript file"),
    (b"{\\rtf", "an RTF document"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"SQLite format 3", "a SQLite database"),
    (b"OggS", "a media file"),
    (b"ID3", "a media file"),
)

_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKUP = re.compile(rb"^\s*(?:<!--.*?-->\s*)*<(\?xml|!doctype\s+html|html|svg)\b", re.IGNORECASE | re.DOTALL)
_MAIL = re.compile(
    rb"^(?:Received|Return-Path|Delivered-To|MIME-Version|From|Message-ID):\s.*\n", re.IGNORECASE
)
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b") | {0x7F}


def media_type_of(head: bytes, filename: str | None = None) -> str:
    """Return the media type of the file that begins with `head` (HEAD_BYTES of it suffice).

    The content decides; `filename` only helps to name what cannot be read. Raises EmptyDocument,
    and UnsupportedFormat naming what the file looks like.
    """
    if not head:
        raise EmptyDocument
    for magic, media_type in _READABLE:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if b"%PDF-" in head[: PDF_WINDOW + 5]:
        return PDF
    found = _other_format(head)
    if found is None and is_text(head):
        return TEXT
    raise UnsupportedFormat(found or _unknown(filename), SUPPORTED_NAMES)


def is_text(head: bytes) -> bool:
    """Tell whether the bytes are text in some encoding, judged by their control characters."""
    if head.startswith(_BOMS):
        return True
    return not _CONTROLS.intersection(head)


def _other_format(head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(head)
    if head[:4] == b"RIFF" or head[4:8] == b"ftyp":
        return "a media file"
    for magic, name in _KNOWN:
        if head.startswith(magic) and not (magic in (b"BM", b"MZ") and is_text(head)):
            return name
    markup = _MARKUP.match(head)
    if markup is not None:
        return {b"?xml": "an XML file", b"svg": "an SVG image"}.get(markup[1].lower(), "an HTML page")
    return "an e-mail message" if _MAIL.match(head) and b":" in head.split(b"\n", 2)[1] else None


def _zip_kind(head: bytes) -> str:
    for marker, name in (
        (b"word/", "a Word document"),
        (b"xl/", "an Excel workbook"),
        (b"ppt/", "a PowerPoint presentation"),
        (b"[Content_Types].xml", "an Office document"),
        (b"application/epub", "an EPUB book"),
        (b"application/vnd.oasis", "an OpenDocument file"),
    ):
        if marker in head:
            return name
    return "a ZIP archive"


def _unknown(filename: str | None) -> str:
    suffix = re.search(r"\.([A-Za-z0-9]{1,8})$", filename or "")
    return f"a binary file ('.{suffix[1].lower()}')" if suffix else "a binary file of an unknown kind"
