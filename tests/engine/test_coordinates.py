"""A box is where the word is seen: through rotation, crop, skew and any resolution, and back."""

from __future__ import annotations

import io

import numpy as np
import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from affidavit.engine.pipeline import PageReading, Source, open_document
from affidavit.engine.ports import OcrWord
from affidavit.engine.result import BoundingBox
from affidavit.engine.stages.affine import Affine, quarter_turn, scale, shift, turn_about
from affidavit.engine.stages.deskew import skew_of
from affidavit.engine.stages.ocr import read_raster
from tests.documents import Placed, invoice_pdf, placed_pdf, raster, scanned
from tests.engine.reading import only_page, spec

boxes = st.tuples(*[st.floats(0, 500) for _ in range(4)]).map(
    lambda s: (min(s[0], s[2]), min(s[1], s[3]), max(s[0], s[2]) + 1, max(s[1], s[3]) + 1)
)


def _close(one: BoundingBox, other: BoundingBox) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(one, other, strict=True))


@given(
    box=boxes,
    zoom=st.floats(0.2, 10),
    turn=st.sampled_from([0, 90, 180, 270]),
    crop=st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
)
def test_box_comes_back_from_render_rotate_and_crop(
    box: BoundingBox, zoom: float, turn: int, crop: tuple[float, float]
) -> None:
    there = scale(zoom).then(quarter_turn(turn, 600 * zoom, 800 * zoom)).then(shift(*crop))
    assert _close(there.inverse().box(there.box(box)), box)


@given(angle=st.floats(-15, 15), x=st.floats(0, 600), y=st.floats(0, 800))
def test_point_comes_back_from_levelling(angle: float, x: float, y: float) -> None:
    there = turn_about(angle, 300, 400)
    back = there.inverse().point(*there.point(x, y))
    assert back == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_quarter_turn_keeps_the_sheet_in_its_first_quadrant(degrees: int) -> None:
    wide = degrees % 180 == 90
    assert quarter_turn(degrees, 30, 50).box((0, 0, 30, 50)) == (0, 0, *((50, 30) if wide else (30, 50)))


@settings(max_examples=60, deadline=None)
@given(
    x=st.floats(60, 380),
    y=st.floats(90, 700),
    size=st.floats(8, 40),
    rotation=st.sampled_from([0, 90, 180, 270]),
    cropped=st.booleans(),
)
def test_text_drawn_at_a_known_place_is_inked_at_its_box(
    x: float, y: float, size: float, rotation: int, cropped: bool
) -> None:
    crop = (50.0, 40.0, 560.0, 800.0)
    data = placed_pdf(Placed("Hxg", x, y, size), rotation=rotation, crop=crop if cropped else None)
    reading = _read(data)
    (word,) = reading.page.words
    left, top = (crop[0], crop[1]) if cropped else (0.0, 0.0)
    width, height = (crop[2] - crop[0], crop[3] - crop[1]) if cropped else (595.0, 842.0)
    drawn = (x - left, y - top - 0.7 * size, x - left + size, y - top)
    expected = quarter_turn(rotation, width, height).box(drawn)
    assert _overlap(word.box, expected) > 0.8 * _area(expected)
    assert _share_of_ink(reading, word.box) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_every_word_of_a_rotated_page_is_inked_at_its_box(rotation: int) -> None:
    words = [Placed(f"Word{n}", 80 + 40 * (n % 5), 100 + 60 * n, 14) for n in range(9)]
    reading = _read(placed_pdf(*words, rotation=rotation, crop=(20, 20, 580, 820)))
    assert sorted(word.text for word in reading.page.words) == [f"Word{n}" for n in range(9)]
    assert all(_ink_in(reading, word.box) > 10 for word in reading.page.words)


def test_page_whose_text_runs_up_is_read_upright_and_cited_as_displayed() -> None:
    sideways = placed_pdf(Placed("First line", 100, 100), Placed("Second line", 100, 120), rotation=90)
    reading = _read(sideways)
    assert reading.page.markdown == "First line\nSecond line"
    assert reading.page.upright == 270
    assert all(_ink_in(reading, word.box) > 10 for word in reading.page.words)


@pytest.mark.parametrize("skew", [-6.0, -2.0, 0.0, 1.5, 5.0])
def test_skew_of_a_scan_is_measured(skew: float) -> None:
    (image,) = raster(scanned(invoice_pdf(), skew=skew, dpi=100), dpi=100)
    assert skew_of(image) == pytest.approx(-skew, abs=0.25)


class InkReader:
    """A reader whose one word is the box around all ink of the image that it is given."""

    name = "ink"
    version = "1"

    def models(self) -> dict[str, str]:
        return {}

    def supports(self, languages: tuple[str, ...]) -> bool:
        return bool(languages)

    def warm_up(self) -> None:
        return

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        found = Image.eval(image.convert("L"), lambda grey: 255 if grey < 128 else 0).getbbox()
        assert found is not None
        return [OcrWord("ink", found, 0.9, 0)]


@settings(max_examples=25, deadline=None)
@given(
    x=st.integers(80, 500), y=st.integers(80, 700), skew=st.floats(-5, 5), zoom=st.sampled_from([1.0, 2.5])
)
def test_box_of_ocr_comes_back_from_the_levelled_raster(x: int, y: int, skew: float, zoom: float) -> None:
    page = Image.new("L", (700, 900), 255)
    page.paste(0, (x, y, x + 150, y + 12))  # a bar: its angle is what levelling measures
    image = page.rotate(skew, Image.Resampling.BICUBIC, fillcolor=255).convert("RGB")
    reading = read_raster(image, zoom, InkReader(), ("eng",))
    (token,) = reading.tokens
    there = turn_about(-skew, 350, 450).then(scale(1 / zoom))
    expected = there.box((x, y, x + 150, y + 12))
    found = reading.to_display.box(token.box)
    assert _overlap(found, expected) > 0.95 * _area(expected)
    assert _area(found) < 2.2 * _area(expected) + 60 / zoom**2 * 20


def _read(data: bytes) -> PageReading:
    return open_document(Source(data), spec(images=True)).read_page(1)


def _grey(reading: PageReading) -> np.ndarray:
    assert reading.image is not None
    return np.asarray(Image.open(io.BytesIO(reading.image.data)).convert("L"))


def _ink_in(reading: PageReading, box: BoundingBox) -> int:
    zoom = reading.page.dpi / 72
    x0, y0, x1, y1 = (round(side * zoom) for side in box)
    return int((_grey(reading)[y0 : y1 + 1, x0 : x1 + 1] < 128).sum())


def _share_of_ink(reading: PageReading, box: BoundingBox) -> float:
    return _ink_in(reading, box) / int((_grey(reading) < 128).sum())


def _area(box: BoundingBox) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _overlap(one: BoundingBox, other: BoundingBox) -> float:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def test_maps_compose_in_the_order_of_reading() -> None:
    assert scale(2).then(shift(1, 0)).point(3, 4) == (7, 8)
    assert Affine() == Affine(1, 0, 0, 1, 0, 0)


def test_word_that_hangs_over_the_edge_has_a_box_on_the_page() -> None:
    with pymupdf.open() as pdf:
        page = pdf.new_page(width=200, height=100)
        page.insert_text((190, 50), "Over the edge", fontsize=12)
        page.insert_text((20, 4), "Top", fontsize=30)
        page.set_rotation(90)
        read = only_page(pdf.tobytes())
    assert read.words
    for word in read.words:
        x0, y0, x1, y1 = word.box
        assert 0 <= x0 < x1 <= read.width
        assert 0 <= y0 < y1 <= read.height
