"""Choose the OCR engine for a request, and tell which there are, without loading a model.

`auto` is PP-OCR where it is installed and has the letters of every language asked for, else
Tesseract where it has their models. The figures are in docs/decisions/0004-default-ocr-engine.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from affidavit.engine.errors import OcrUnavailable
from affidavit.engine.ocr import neural, orientation
from affidavit.engine.ocr.alphabet import PPOCR_LANGUAGES
from affidavit.engine.ocr.installation import binary_version, installations
from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.ocr.tesseract import TesseractOcr
from affidavit.engine.spec import OcrEngineName, OcrMode

if TYPE_CHECKING:
    from affidavit.engine.ports import OcrEngine
    from affidavit.engine.spec import OcrOptions

PREFERENCE = (OcrEngineName.PPOCR, OcrEngineName.TESSERACT)  # what `auto` tries, best word F1 first


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """An engine and whether it can be used here; `reason` says why not, and what to install."""

    name: str
    version: str | None
    available: bool
    languages: tuple[str, ...]
    reason: str | None = None


def available() -> list[EngineStatus]:
    """Return what each reader of images can do here. Loads no model and imports no runtime."""
    return [_ppocr_status(), _tesseract_status()]


def choose(options: OcrOptions, statuses: list[EngineStatus] | None = None) -> OcrEngine:
    """Return the engine that these options ask for. Raises OcrUnavailable, saying what is missing.

    `statuses` is what `available` returned, when the caller has it. The same engine object is
    returned every time, so that models are loaded once in a process.
    """
    if options.engine is OcrEngineName.NULL:
        return NullOcr()
    known = {status.name: status for status in (available() if statuses is None else statuses)}
    wanted = PREFERENCE if options.engine is OcrEngineName.AUTO else (options.engine,)
    objections: list[str] = []
    for name in wanted:
        objection = _objection(known[name.value], options.languages)
        if objection is None:
            return _engine(name, options.languages)
        objections.append(objection if len(wanted) == 1 else f"{name.value}: {objection}")
    raise OcrUnavailable(options.engine.value, "; ".join(objections))


def programs(options: OcrOptions) -> tuple[Path, ...]:
    """Return the programs that reading with these options may start; loads no model.

    By the options alone, whatever the document turns out to need.
    """
    if options.mode is OcrMode.NEVER:
        return ()
    try:
        engine = choose(options)
    except OcrUnavailable:
        return ()
    if engine.name == OcrEngineName.TESSERACT or not orientation.is_available():
        return reader_programs()
    return ()


def reader_programs() -> tuple[Path, ...]:
    """Return the programs of all readers that are installed."""
    return tuple(each.binary for each in installations())


def reading_paths() -> tuple[Path, ...]:
    """Return what the readers read beside Python's own folders: programs and their models."""
    return tuple(path for each in installations() for path in (each.binary, each.tessdata))


def _objection(status: EngineStatus, languages: tuple[str, ...]) -> str | None:
    if not status.available:
        return status.reason or "it is not installed"
    lacking = [language for language in languages if language not in status.languages]
    if lacking:
        return f"it does not read {', '.join(lacking)} here; it reads {', '.join(status.languages)}"
    return None


def _engine(name: OcrEngineName, languages: tuple[str, ...]) -> OcrEngine:
    match name:
        case OcrEngineName.PPOCR:
            return _ppocr()
        case OcrEngineName.TESSERACT:
            return TesseractOcr(languages)
        case OcrEngineName.NULL | OcrEngineName.AUTO:
            return NullOcr()
        case _:
            assert_never(name)


@functools.cache
def _ppocr() -> OcrEngine:
    # The adapter imports numpy, which a process that only lists engines does not need.
    from affidavit.engine.ocr.ppocr import PpOcr

    return PpOcr()


def _ppocr_status() -> EngineStatus:
    name = OcrEngineName.PPOCR.value
    lacking = neural.missing("rapidocr", "onnxruntime", "cv2")
    if lacking:
        reason = f"{', '.join(lacking)} missing; {neural.EXTRA}"
        return EngineStatus(name, None, available=False, languages=(), reason=reason)
    languages = tuple(sorted(PPOCR_LANGUAGES))
    return EngineStatus(name, neural.distribution_version("rapidocr"), available=True, languages=languages)


def _tesseract_status() -> EngineStatus:
    name = OcrEngineName.TESSERACT.value
    found = installations()
    lacking = neural.missing("pytesseract")
    if not found or lacking:
        reason = "install tesseract-ocr, or pip install 'affidavit[server]'"
        return EngineStatus(name, None, available=False, languages=(), reason=reason)
    # One installation reads a page, so what one of them has is what can be asked for together.
    best = max(found, key=lambda each: len(each.languages))
    version = f"{binary_version(best.binary)}+{best.fingerprint}"
    return EngineStatus(name, version, available=True, languages=tuple(sorted(best.languages)))
