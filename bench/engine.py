"""Pages per CPU second of our engine, against what lies below it, in the same run.

Text layers: `OpenedDocument.read_page` against PyMuPDF's raw `page.get_text("dict")`. Scans (images
of the folder, and its PDFs turned into images): `read_page` against the bare OCR library with the
same image, already decoded. Both sides of a page follow each other in every round; a page counts
with the median of its rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from affidavit.engine.ocr import neural

os.environ.update(neural.ENVIRONMENT)  # before numpy is loaded: one thread each, as in the engine host

import pymupdf
from PIL import Image

from affidavit.engine import pipeline
from affidavit.engine.errors import EngineError
from affidavit.engine.ocr import choose
from affidavit.engine.ocr.warming import warm_up
from affidavit.engine.spec import OcrEngineName, OcrMode, OcrOptions, Operation, Options, Spec

DPI = 200
IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}
LEAST_WORDS = 30  # of a page that is worth measuring
Step = Callable[[], object]


@dataclass
class Pair:
    """A page with two ways to read it, and the CPU seconds that each took, a round."""

    kind: str
    ours: Step
    floor: Step
    ours_seconds: list[float] = field(default_factory=list)
    floor_seconds: list[float] = field(default_factory=list)

    def run(self) -> None:
        self.floor_seconds.append(cpu_seconds(self.floor))
        self.ours_seconds.append(cpu_seconds(self.ours))


def cpu_seconds(step: Step) -> float:
    """Return what a step costs in user and system time, its child processes included."""
    before = _spent()
    step()
    return _spent() - before


def _spent() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    given = _arguments()
    warm_up()
    engines = [OcrEngineName(name) for name in given.engines.split(",") if name]
    files = sorted(path for path in given.folder.rglob("*") if path.is_file())
    languages = tuple(given.languages.split(","))
    groups = [list(text_pairs(files, given.text_pages))]
    scans = list(scanned(files, given.scans))
    groups += [[scan_pair(name, scan, languages) for scan in scans] for name in engines]
    for pairs in groups:
        measure(pairs, given.seconds / len(groups))
    rows = [row for pairs in groups for row in summaries(pairs)]
    show(rows)
    print(json.dumps({"bench": "engine", "rows": rows}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="PDFs and images, searched in subfolders too")
    parser.add_argument("--seconds", type=float, default=60, help="time to spend, about (60)")
    parser.add_argument("--text-pages", type=int, default=40, help="PDF pages at most (40)")
    parser.add_argument("--scans", type=int, default=6, help="scans at most (6)")
    parser.add_argument("--engines", default="ppocr,tesseract", help="OCR engines (ppocr,tesseract)")
    parser.add_argument("--languages", default="eng", help="of the scans, ISO 639-2 (eng)")
    return parser.parse_args()


def measure(pairs: list[Pair], seconds: float) -> None:
    """Run all pairs round by round until the time is over; each at least once."""
    until = time.monotonic() + seconds
    started = False
    while pairs and not (started and time.monotonic() > until):
        for pair in pairs:
            if started and time.monotonic() > until:
                return
            pair.run()
        started = True


def text_pairs(files: list[Path], most: int) -> Iterator[Pair]:
    """Yield pages of the folder's PDFs, spread over its files, with and without a page image."""
    for path, number in _text_pages(files, most):
        data = path.read_bytes()
        for images in (False, True):
            spec = Spec(
                operation=Operation.PARSE,
                options=Options(ocr=OcrOptions(mode=OcrMode.NEVER)),
                page_images=images,
            )
            kind = "text layer, page image too" if images else "text layer"
            yield Pair(kind, _read_page(data, path.name, spec, number), _raw_text(data, number))


def _text_pages(files: list[Path], most: int) -> Iterator[tuple[Path, int]]:
    found = 0
    for path in files:
        if path.suffix.lower() != ".pdf" or found >= most:
            continue
        try:
            with pymupdf.open(path) as pdf:
                usable = [page.number + 1 for page in pdf.pages(0, min(3, len(pdf))) if _has_text(page)]
        except (RuntimeError, ValueError):
            continue  # damaged or encrypted: nothing to compare
        for number in usable[: most - found]:
            found += 1
            yield path, number


def _has_text(page: pymupdf.Page) -> bool:
    return len(page.get_text("words")) >= LEAST_WORDS


def _read_page(data: bytes, name: str, spec: Spec, number: int) -> Step:
    opened = pipeline.open_document(pipeline.Source(data, name), spec)
    return lambda: opened.read_page(number)


def _raw_text(data: bytes, number: int) -> Step:
    pdf = pymupdf.open(stream=data, filetype="pdf")
    return lambda: pdf[number - 1].get_text("dict")


def scanned(files: list[Path], most: int) -> Iterator[tuple[bytes, Image.Image]]:
    """Yield scans as PNG files, each with its pixels: the folder's images, then its PDFs' pages."""
    found = 0
    for path in files:
        if path.suffix.lower() in IMAGES and found < most // 2:
            found += 1
            yield _as_scan(Image.open(path))
    for path, number in _text_pages(files[:: max(1, len(files) // most)], most - found):
        raster = pymupdf.open(path)[number - 1].get_pixmap(dpi=DPI)
        yield _as_scan(Image.frombytes("RGB", (raster.width, raster.height), raster.samples))


def _as_scan(image: Image.Image) -> tuple[bytes, Image.Image]:
    pixels = image.convert("RGB")
    file = BytesIO()
    pixels.save(file, "PNG", dpi=(DPI, DPI))
    return file.getvalue(), pixels


def scan_pair(name: OcrEngineName, scan: tuple[bytes, Image.Image], languages: tuple[str, ...]) -> Pair:
    data, pixels = scan
    options = OcrOptions(mode=OcrMode.ALWAYS, engine=name, languages=languages)
    spec = Spec(operation=Operation.PARSE, options=Options(ocr=options), page_images=False)
    bare = bare_ppocr() if name is OcrEngineName.PPOCR else bare_tesseract(options)
    return Pair(f"scan, {name.value}", _read_page(data, "scan.png", spec, 1), lambda: bare(pixels))


def bare_ppocr() -> Callable[[Image.Image], object]:
    """Return rapidocr as it comes, but for one thread, word boxes and no line classifier."""
    if not _BARE:
        parameters = {
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.return_word_box": True,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        _BARE.append(neural.load("ppocr", "rapidocr").RapidOCR(params=parameters))
    return _BARE[0]


_BARE: list[Callable[[Image.Image], object]] = []  # its models are loaded once


def bare_tesseract(options: OcrOptions) -> Callable[[Image.Image], object]:
    """Return pytesseract's `image_to_data`, one thread, over the binary that our engine uses."""
    from affidavit.engine.ocr.installation import installation_for

    found = installation_for(options.languages)
    if found is None:
        choose(options)  # raises, and says what is missing
        raise SystemExit(1)
    library = neural.load("tesseract", "pytesseract.pytesseract")
    library.tesseract_cmd, library.environ = str(found.binary), found.environment()
    return lambda image: library.image_to_data(image, lang="+".join(options.languages))


def summaries(pairs: list[Pair]) -> list[dict[str, object]]:
    kinds = dict.fromkeys(pair.kind for pair in pairs)
    return [
        summary(kind, [pair for pair in pairs if pair.kind == kind and pair.ours_seconds]) for kind in kinds
    ]


def summary(kind: str, pairs: list[Pair]) -> dict[str, object]:
    """Return pages per CPU second of both sides; the ratio is ours to the floor's."""
    ours = sum(statistics.median(pair.ours_seconds) for pair in pairs)
    floor = sum(statistics.median(pair.floor_seconds) for pair in pairs)
    return {
        "kind": kind,
        "pages": len(pairs),
        "rounds": min((len(pair.ours_seconds) for pair in pairs), default=0),
        "ours_pages_per_cpu_second": round(len(pairs) / ours, 2) if ours else None,
        "floor_pages_per_cpu_second": round(len(pairs) / floor, 2) if floor else None,
        "ratio": round(floor / ours, 3) if ours else None,
    }


def show(rows: list[dict[str, object]]) -> None:
    print(f"{'kind':<28}{'pages':>6}{'rounds':>8}{'ours/CPU-s':>12}{'floor/CPU-s':>13}{'ratio':>8}")
    for row in rows:
        kind, pages, rounds, ours, floor, ratio = row.values()
        print(f"{kind!s:<28}{pages!s:>6}{rounds!s:>8}{ours!s:>12}{floor!s:>13}{ratio!s:>8}")


if __name__ == "__main__":
    try:
        main()
    except EngineError as error:
        raise SystemExit(error.message) from error
