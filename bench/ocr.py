"""Word F1, boxes and CPU seconds of the OCR engines on a folder's PDFs, rasterised.

The truth is the PDFs' own text layer: take PDFs that have a good one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

import pymupdf
from PIL import Image

from affidavit.engine.ocr import choose
from affidavit.engine.ports import OcrEngine, OcrWord
from affidavit.engine.result import BoundingBox
from affidavit.engine.spec import OcrEngineName, OcrOptions

LEAST_WORDS = 30
Truth = list[tuple[str, BoundingBox]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="PDFs with a text layer, searched in subfolders too")
    parser.add_argument("--pages", type=int, default=12, help="pages at most, one a file (12)")
    parser.add_argument("--dpi", type=int, default=200)
    parser.add_argument("--engines", default="ppocr,tesseract")
    parser.add_argument("--languages", default="eng", help="ISO 639-2, by commas (eng)")
    given = parser.parse_args()
    pages = list(truths(given.folder, given.pages, given.dpi))
    languages = tuple(given.languages.split(","))
    rows = []
    for name in given.engines.split(","):
        engine = choose(OcrOptions(engine=OcrEngineName(name), languages=languages))
        engine.warm_up()
        rows.append({"engine": name, "pages": len(pages), **averages(engine, pages, languages)})
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps({"bench": "ocr", "dpi": given.dpi, "languages": languages, "rows": rows}))


def truths(folder: Path, most: int, dpi: int) -> Iterator[tuple[Image.Image, Truth]]:
    """Yield the first page with enough words of each file, spread over the folder, with its words."""
    files = sorted(folder.rglob("*.pdf"))
    for path in files[:: max(1, len(files) // most)][:most]:
        try:
            pdf = pymupdf.open(path)
            page = next((page for page in pdf.pages(0, min(3, len(pdf))) if words_of(page, dpi)), None)
        except (RuntimeError, ValueError):
            continue  # damaged or encrypted
        if page is not None:
            raster = page.get_pixmap(dpi=dpi)
            image = Image.frombytes("RGB", (raster.width, raster.height), raster.samples)
            yield image, words_of(page, dpi)


def words_of(page: pymupdf.Page, dpi: int) -> Truth:
    """Return the page's words with letters or digits, boxes in pixels; none when they are few."""
    found = [
        (text, tuple(side * dpi / 72 for side in pymupdf.Rect(box) * page.rotation_matrix))
        for *box, text, _, _, _ in page.get_text("words")
        if any(char.isalnum() for char in text)
    ]
    return found if len(found) >= LEAST_WORDS else []


def averages(
    engine: OcrEngine, pages: list[tuple[Image.Image, Truth]], languages: tuple[str, ...]
) -> dict[str, float]:
    """Return the mean over pages of word F1, share placed, overlap along the line, CPU seconds."""
    rows = []
    for image, truth in pages:
        before = spent()
        words = engine.read(image, languages)
        rows.append((*scores(words, truth), spent() - before))
    names = ("f1", "placed", "overlap", "cpu_seconds")
    return {
        name: round(fmean(column), 4) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def scores(words: list[OcrWord], truth: Truth) -> tuple[float, float, float]:
    """Return word F1, and of words that were found: the share in place, the overlap along the line."""
    found = Counter(word.text for word in words if any(char.isalnum() for char in word.text))
    wanted = Counter(text for text, _ in truth)
    f1 = 2 * (found & wanted).total() / max(1, found.total() + wanted.total())
    places = defaultdict(list)
    for word in words:
        places[word.text].append(word.box)
    nearest = [
        (box, min(places[text], key=lambda place: distance(place, box)))
        for text, box in truth
        if text in places
    ]
    placed = fmean(is_in_place(box, place) for box, place in nearest) if nearest else 0.0
    return f1, placed, fmean(overlap(box, place) for box, place in nearest) if nearest else 0.0


def distance(one: BoundingBox, other: BoundingBox) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def is_in_place(truth: BoundingBox, place: BoundingBox) -> bool:
    across, down = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    return truth[0] - 2 <= across <= truth[2] + 2 and truth[1] - 2 <= down <= truth[3] + 2


def overlap(one: BoundingBox, other: BoundingBox) -> float:
    if min(one[3], other[3]) <= max(one[1], other[1]):
        return 0.0
    shared = min(one[2], other[2]) - max(one[0], other[0])
    return max(0.0, shared) / (max(one[2], other[2]) - min(one[0], other[0]))


def spent() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
