"""What every OCR engine promises, checked on all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import timedelta

import pymupdf
import pytest
from PIL import Image, ImageChops

from affidavit.engine.errors import OcrFailed, OcrUnavailable
from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.ocr.ppocr import PpOcr
from affidavit.engine.ocr.tesseract import TesseractOcr
from affidavit.engine.ports import OcrEngine, OcrWord

DPI = 200
LANGUAGES = ("eng", "deu")
LINES = ("Invoice number 20394", "Größe und Menge: zwölf Stück", "Total amount due 1,249.50 EUR")


def _page(lines: tuple[str, ...], size: float) -> pymupdf.Page:
    page = pymupdf.open().new_page(width=360, height=40 + 30 * len(lines))
    for number, line in enumerate(lines):
        page.insert_text((36, 40 + 30 * number), line, fontsize=size)
    return page


@functools.cache
def printed(*lines: str, size: float = 12) -> Image.Image:
    """Print lines on a strip of paper at 200 dpi, without a text layer."""
    raster = _page(lines, size).get_pixmap(dpi=DPI)
    return Image.frombytes("RGB", (raster.width, raster.height), raster.samples)


def truth(*lines: str, size: float = 12) -> list[OcrWord]:
    """Return where `printed` put the words, in its pixels."""
    return [
        OcrWord(text, tuple(side * DPI / 72 for side in box), 1.0, int(line))
        for *box, text, line, _, _ in _page(lines, size).get_text("words")
    ]


@functools.cache
def ppocr() -> OcrEngine:
    return PpOcr()


@functools.cache
def tesseract() -> OcrEngine:
    return TesseractOcr(LANGUAGES)


def scripted() -> OcrEngine:
    """A Null engine that was told what `printed(*LINES)` says."""
    return NullOcr(tuple(truth(*LINES)))


ENGINES = [ppocr, tesseract, scripted]
READERS = [ppocr, tesseract]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda make: make.__name__)
every_reader = pytest.mark.parametrize("engine", READERS, ids=lambda make: make.__name__)
Make = Callable[[], OcrEngine]


@functools.cache
def reading(engine: Make) -> tuple[OcrWord, ...]:
    """Read the same print once for all the promises about it."""
    return tuple(engine().read(printed(*LINES), LANGUAGES))


def texts(words: Iterable[OcrWord]) -> list[str]:
    return [word.text for word in words]


@every_engine
def test_printed_words_are_found(engine: Make) -> None:
    found = texts(reading(engine))
    assert sorted(found) == sorted(" ".join(LINES).split())


@every_engine
def test_box_of_a_word_is_where_it_was_printed(engine: Make) -> None:
    places = {word.text: word.box for word in truth(*LINES)}
    for word in reading(engine):
        x0, y0, x1, y1 = word.box
        left, top, right, bottom = places[word.text]
        assert x0 == pytest.approx(left, abs=5)
        assert x1 == pytest.approx(right, abs=5)
        assert top <= (y0 + y1) / 2 <= bottom


@every_engine
def test_confidence_is_between_0_and_1(engine: Make) -> None:
    words = reading(engine)
    assert words
    assert all(0 <= word.confidence <= 1 for word in words)


@every_engine
def test_words_of_a_printed_line_have_one_line_number(engine: Make) -> None:
    lines: dict[int, list[str]] = {}
    for word in sorted(reading(engine), key=lambda word: word.box[0]):
        lines.setdefault(word.line, []).append(word.text)
    assert sorted(" ".join(line) for line in lines.values()) == sorted(LINES)


@every_engine
def test_grayscale_reads_as_colour_and_image_is_left_as_it_was(engine: Make) -> None:
    gray = printed(*LINES).convert("L")
    before = gray.tobytes()
    assert texts(engine().read(gray, LANGUAGES)) == texts(reading(engine))
    assert gray.tobytes() == before


@every_engine
def test_name_version_and_models_are_stable(engine: Make) -> None:
    assert engine().name in {"ppocr", "tesseract", "null"}
    assert engine().version == engine().version
    assert all(len(digest) == 64 for digest in engine().models().values())


@every_reader
def test_blank_paper_has_no_words(engine: Make) -> None:
    assert engine().read(Image.new("RGB", (800, 600), "white"), LANGUAGES) == []


@every_reader
@pytest.mark.parametrize("size", [(0, 0), (1, 1), (1, 3000), (3000, 1), (9, 9)])
def test_image_too_small_for_a_letter_has_no_words(engine: Make, size: tuple[int, int]) -> None:
    assert engine().read(Image.new("L", size, 255), LANGUAGES) == []


@every_reader
def test_very_wide_image_is_read_at_both_ends(engine: Make) -> None:
    word = printed("Ledger", size=14).crop((80, 40, 400, 140))
    wide = Image.new("RGB", (6_000, 140), "white")
    wide.paste(word, (40, 20))
    wide.paste(word, (5_600, 20))
    left, right = sorted(engine().read(wide, LANGUAGES), key=lambda found: found.box[0])
    assert (left.text, right.text) == ("Ledger", "Ledger")
    assert left.box[0] < 400
    assert right.box[0] > 5_500


@every_reader
def test_light_print_on_dark_paper_is_read(engine: Make) -> None:
    dark = ImageChops.invert(printed(*LINES))
    assert "Invoice" in texts(engine().read(dark, LANGUAGES))


@every_reader
def test_small_print_is_read(engine: Make) -> None:
    words = texts(engine().read(printed("subject to the terms of payment overleaf", size=6.5), LANGUAGES))
    assert words == ["subject", "to", "the", "terms", "of", "payment", "overleaf"]


@every_reader
def test_languages_without_a_model_are_refused_by_name(engine: Make) -> None:
    assert not engine().supports(("eng", "tha"))
    with pytest.raises(OcrUnavailable, match="tha"):
        engine().read(printed(*LINES), ("eng", "tha"))


def test_tesseract_is_stopped_when_its_time_is_over() -> None:
    hurried = TesseractOcr(LANGUAGES, timeout=timedelta(milliseconds=1))
    with pytest.raises(OcrFailed, match="took longer"):
        hurried.read(printed(*LINES), LANGUAGES)


@every_reader
def test_reading_takes_no_room_on_the_disk(engine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = engine().read(printed(*LINES), LANGUAGES)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert engine().read(printed(*LINES), LANGUAGES) == expected


def test_null_engine_reads_nothing_unless_told() -> None:
    assert NullOcr().read(printed(*LINES), LANGUAGES) == []


def _sheet(*texts: tuple[float, float, str]) -> Image.Image:
    page = pymupdf.open().new_page(width=612, height=792)
    for x, y, text in texts:
        page.insert_text((x, y), text, fontsize=12)
    raster = page.get_pixmap(dpi=DPI)
    return Image.frombytes("RGB", (raster.width, raster.height), raster.samples)


@pytest.mark.parametrize("text", ["Total 119,00 EUR", "Page 3", "Appendix A", "12"])
def test_line_that_stands_alone_on_a_page_is_read(text: str) -> None:
    words = ppocr().read(_sheet((50, 92, text)), ("eng",))
    assert [word.text for word in words] == text.split()
    assert words[0].box[0] == pytest.approx(50 * DPI / 72, abs=6)


def test_lines_far_apart_on_an_empty_page_are_each_read_once() -> None:
    image = _sheet(
        (50, 60, "Invoice 4711"), (50, 400, "Approved 2024-05-01"), (300, 400, "yes"), (520, 770, "3")
    )
    words = [word.text for word in ppocr().read(image, ("eng",))]
    assert sorted(words) == sorted(["Invoice", "4711", "Approved", "2024-05-01", "yes", "3"])
