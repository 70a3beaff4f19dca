"""What can be opened is opened; what cannot is refused with its own code."""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from affidavit.engine import media
from affidavit.engine.errors import (
    CorruptDocument,
    EmptyDocument,
    EngineError,
    NoPages,
    PageLimitExceeded,
    PasswordIncorrect,
    PasswordRequired,
    PixelLimitExceeded,
    SideLimitExceeded,
    UnsupportedFormat,
)
from affidavit.engine.pipeline import Source, open_document
from affidavit.engine.spec import Limits
from affidavit.engine.stages.damage import is_short
from affidavit.engine.stages.plain_text import TextFile, decoded
from tests.documents import (
    damaged_pdf,
    encoded,
    encrypted_pdf,
    invoice_pdf,
    multipage_tiff,
    pdf_without_pages,
    text_pdf,
)
from tests.engine.reading import only_page, read_bytes, spec

IMAGE = Image.new("RGB", (40, 30), "white")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (text_pdf("x"), media.PDF),
        (b"junk before\n" + text_pdf("x"), media.PDF),
        (encoded(IMAGE, "PNG"), media.PNG),
        (encoded(IMAGE, "JPEG"), media.JPEG),
        (encoded(IMAGE, "TIFF"), media.TIFF),
        (encoded(IMAGE, "WEBP"), media.WEBP),
        (b"plain words", media.TEXT),
        ("grüße".encode("utf-16"), media.TEXT),
        ("grüße".encode("latin-1"), media.TEXT),
    ],
)
def test_media_type_is_told_by_content_whatever_the_name(data: bytes, media_type: str) -> None:
    assert media.media_type_of(data, "misleading.docx") == media_type


def _zip(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (_zip("word/document.xml"), "a Word document"),
        (_zip("xl/workbook.xml"), "an Excel workbook"),
        (_zip("readme"), "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "an OLE file"),
        (b"GIF89a" + b"\0" * 20, "a GIF image"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        (b"{\\rtf1 hello}", "an RTF document"),
        (b"\x00\x01\x02\x03 binary", "a binary file"),
    ],
)
def test_other_formats_are_refused_by_name(data: bytes, named: str) -> None:
    with pytest.raises(UnsupportedFormat, match=named):
        media.media_type_of(data)


def test_sniffing_imports_no_reader() -> None:
    code = "import sys, affidavit.engine.media; print({'pymupdf', 'PIL', 'numpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_empty_file_has_its_own_code() -> None:
    with pytest.raises(EmptyDocument):
        open_document(Source(b""), spec())


def test_pdf_without_pages_has_its_own_code() -> None:
    with pytest.raises(NoPages):
        open_document(Source(pdf_without_pages()), spec())


def test_damaged_pdf_is_repaired_and_read() -> None:
    assert "Still readable" in only_page(damaged_pdf("Still readable")).markdown


def test_pdf_that_no_repair_can_save_is_corrupt() -> None:
    with pytest.raises((CorruptDocument, NoPages)):
        open_document(Source(b"%PDF-1.7\n" + os.urandom(300)), spec())


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_truncated_image_is_corrupt(suffix: str) -> None:
    noise = Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3))
    data = encoded(noise, suffix)
    with pytest.raises(CorruptDocument):
        open_document(Source(data[: len(data) // 2]), spec())


def test_encrypted_pdf_asks_for_its_password() -> None:
    with pytest.raises(PasswordRequired):
        open_document(Source(encrypted_pdf(user="right")), spec())


def test_wrong_password_is_refused() -> None:
    with pytest.raises(PasswordIncorrect):
        open_document(Source(encrypted_pdf(user="right")), spec(password="wrong"))


@pytest.mark.parametrize(("written", "typed"), [("right", "right"), ("\u00e9t\u00e9", "e\u0301te\u0301")])
def test_right_password_opens_in_any_unicode_form(written: str, typed: str) -> None:
    page = only_page(encrypted_pdf("Secret words", user=written), spec(password=typed))
    assert page.markdown == "Secret words"


def test_owner_password_alone_does_not_lock() -> None:
    assert only_page(encrypted_pdf("Open words", user="")).markdown == "Open words"


def test_image_is_judged_by_its_declared_size_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    png += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(PixelLimitExceeded):
        open_document(Source(png), spec())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_pixel_limit_holds_at_the_limit_and_breaks_one_past_it(kind: str) -> None:
    data = encoded(IMAGE, kind)
    assert open_document(Source(data), spec(limits=Limits(pixels=1200))).page_count == 1
    with pytest.raises(PixelLimitExceeded):
        open_document(Source(data), spec(limits=Limits(pixels=1199)))


def test_page_limit_holds_at_the_limit_and_breaks_one_past_it() -> None:
    data = text_pdf("one", "two")
    assert open_document(Source(data), spec(limits=Limits(pages=2))).selected() == [1, 2]
    with pytest.raises(PageLimitExceeded):
        open_document(Source(data), spec(limits=Limits(pages=1))).selected()


def test_every_frame_of_a_tiff_is_a_page() -> None:
    data = multipage_tiff([IMAGE, Image.new("RGB", (20, 60), "white"), IMAGE])
    pages = read_bytes(data).document.pages
    assert [(page.width, page.height) for page in pages] == [(40, 30), (20, 60), (40, 30)]


def test_photograph_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    IMAGE.save(buffer, "JPEG", exif=exif)
    page = only_page(buffer.getvalue())
    assert (page.width, page.height) == (30, 40)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_decoded_whatever_its_encoding(encoding: str) -> None:
    assert decoded("Größe 5 \u20ac".encode(encoding)) == "Größe 5 \u20ac"


def test_plain_text_is_read_with_boxes() -> None:
    page = only_page("Hello wörld\nsecond line".encode())
    assert [word.text for word in page.words] == ["Hello", "wörld", "second", "line"]
    assert page.words[0].box[2] <= page.words[1].box[0]


def test_image_with_too_long_a_side_is_told_of_its_side() -> None:
    data = encoded(IMAGE, "PNG")
    assert open_document(Source(data), spec(limits=Limits(side_pixels=40))).page_count == 1
    with pytest.raises(SideLimitExceeded, match="40 pixels on its longer side and the limit is 39"):
        open_document(Source(data), spec(limits=Limits(side_pixels=39)))


def _shown(text: str) -> str:
    """Return all that is read of a plain text, without its blanks."""
    document = read_bytes(text.encode()).document
    return "".join(word.text for page in document.pages for word in page.words)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 500 + " end",
        "see https://example.com/" + "q" * 300 + " end",
        "\u05e9\u05dc\u05d5\u05dd 5 \u0645\u0631\u062d\u0628\u0627 " * 40 + "end",
        "\u6f22\u5b57" * 400 + "end",
        "\u0e01" * 300 + " end",
        "\U0001d4d0" * 300 + " end",
        "a &amp; b &#65; &lt;c&gt; <b>d</b> end",
        "one\ftwo\rthree\r\nfour\n" + "five\n" * 200 + "end",
        "z\u0337" * 300 + " end",
        "one\n" + "\n" * 500 + "end",
        "a\u001bb \u0085c end",
    ],
)
def test_plain_text_loses_no_letter(text: str) -> None:
    kept, shown = (
        Counter(char for char in unicodedata.normalize("NFKC", each) if char.isalnum())
        for each in (text, _shown(text))
    )
    assert shown == kept


def test_long_text_of_one_line_opens_each_page_as_fast_as_a_short_one() -> None:
    opened = open_document(Source(b"word " * 200_000), spec())
    begun = time.process_time()
    opened.read_page(opened.page_count)
    assert time.process_time() - begun < 1


def test_plain_text_of_which_a_letter_is_not_read_is_damaged() -> None:
    sheet = TextFile.open(b"all of it").sheet(1)
    assert not is_short(sheet, ["all", "of", "it"])
    assert is_short(sheet, ["all", "of", "i"])
    assert not only_page(b"all of it").damaged
    assert only_page("one \ufdfa sign, of which MuPDF takes the first word".encode()).damaged


def test_source_is_read_from_a_descriptor_that_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(invoice_pdf())
    with path.open("rb") as file:
        first = Source.from_descriptor(file.fileno(), "invoice.pdf")
        assert Source.from_descriptor(file.fileno()).data == first.data == invoice_pdf()


@pytest.mark.parametrize("seed", range(40))
def test_mutilated_pdf_is_read_or_refused_never_a_surprise(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(invoice_pdf())
    for _ in range(chance.randrange(1, 40)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with contextlib.suppress(EngineError):
        read_bytes(bytes(data[: chance.randrange(len(data) // 2, len(data))]))


def with_page_count(data: bytes, count: int) -> bytes:
    """Let the root of the page tree tell another number of pages than it has."""
    with pymupdf.open(stream=data, filetype="pdf") as pdf:
        root = int(pdf.xref_get_key(pdf.pdf_catalog(), "Pages")[1].split()[0])
        pdf.xref_set_key(root, "Count", str(count))
        return bytes(pdf.tobytes())


def test_a_page_tree_that_owns_up_to_fewer_pages_is_read_in_full() -> None:
    opened = open_document(Source(with_page_count(text_pdf("one", "two", "three"), 1)), spec())
    assert opened.page_count == 3
    assert "three" in " ".join(word.text for word in opened.read_page(3).page.words)


def test_a_page_tree_that_claims_more_pages_is_not_taken_at_less() -> None:
    assert open_document(Source(with_page_count(text_pdf("one"), 2)), spec()).page_count == 2


def test_what_a_page_tree_names_and_is_no_page_adds_none() -> None:
    with pymupdf.open(stream=text_pdf("one", "two"), filetype="pdf") as pdf:
        root = int(pdf.xref_get_key(pdf.pdf_catalog(), "Pages")[1].split()[0])
        kids = pdf.xref_get_key(root, "Kids")[1]
        pdf.xref_set_key(root, "Kids", f"{kids[:-1]} {pdf.pdf_catalog()} 0 R]")
        data = bytes(pdf.tobytes())
    assert open_document(Source(data), spec()).page_count == 2
