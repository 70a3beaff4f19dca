"""Read one page: choose how, take its words, lay them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from affidavit.engine.ports import OcrEngine, Progress
from affidavit.engine.result import BoundingBox, Page, PageSource
from affidavit.engine.spec import Spec
from affidavit.engine.stages import damage, hidden
from affidavit.engine.stages.affine import shift
from affidavit.engine.stages.assemble import PageFacts, assemble
from affidavit.engine.stages.choice import Choice, choose
from affidavit.engine.stages.layout import compose
from affidavit.engine.stages.markdown import write
from affidavit.engine.stages.ocr import Reading, read_raster, spelled
from affidavit.engine.stages.render import PageImage, draw, image_dpi
from affidavit.engine.stages.ruling import drawn_rules, scanned_rules
from affidavit.engine.stages.sheet import UNITS_PER_INCH, PdfSheet, Sheet, fitting_dpi
from affidavit.engine.stages.text_layer import TextLayer, read_text_layer
from affidavit.engine.stages.token import PageContent, Token

NOTHING_READ = "This page is not blank, but no words were found on it."
COVERED = 0.3  # share of an OCR word that a text-layer word may hide before the two are one


@dataclass(frozen=True, slots=True)
class PageReading:
    """A finished page, and its image where one was asked for."""

    page: Page
    image: PageImage | None = None


def read_page(sheet: Sheet, spec: Spec, engine: Callable[[], OcrEngine], progress: Progress) -> PageReading:
    """Read the page; `engine` is asked for only when it is needed. Raises EngineError."""
    progress("read", f"Read page {sheet.number}", page=sheet.number)
    damage.forget()
    reading = _read_chosen(sheet, spec, engine, progress)
    is_damaged = damage.is_noticed() or damage.is_short(sheet, (word.text for word in reading.page.words))
    warnings = list(reading.page.warnings)
    warnings += [damage.DAMAGED] if is_damaged else []
    warnings += [damage.REPAIRED] if isinstance(sheet, PdfSheet) and sheet.is_repaired else []
    if not is_damaged and len(warnings) == len(reading.page.warnings):
        return reading
    page = reading.page.model_copy(update={"damaged": is_damaged, "warnings": tuple(warnings)})
    return replace(reading, page=page)


def _read_chosen(
    sheet: Sheet, spec: Spec, engine: Callable[[], OcrEngine], progress: Progress
) -> PageReading:
    dpi = image_dpi(sheet, spec.limits)
    image = draw(sheet, dpi) if spec.page_images else None
    layer = hidden.marked(sheet, read_text_layer(sheet)) if isinstance(sheet, PdfSheet) else TextLayer([])
    choice = choose(sheet, layer, spec.options.ocr.mode)
    match choice.source:
        case PageSource.OCR:
            progress("ocr", f"OCR page {sheet.number}", page=sheet.number)
            return PageReading(_by_ocr(sheet, spec, engine(), layer, dpi), image)
        case PageSource.MIXED:
            progress("ocr", f"OCR images of page {sheet.number}", page=sheet.number)
            return PageReading(_mixed(sheet, spec, engine(), layer, choice, dpi), image)
        case PageSource.NATIVE | PageSource.BLANK:
            return PageReading(_native(sheet, layer, choice, dpi), image)


def _native(sheet: Sheet, layer: TextLayer, choice: Choice, dpi: float) -> Page:
    facts = PageFacts(choice.source, dpi, layer.upright, len(layer.tokens), None, choice.warnings)
    return _page(sheet, facts, _content(sheet, layer, layer.tokens))


def _content(sheet: Sheet, layer: TextLayer, tokens: list[Token]) -> PageContent:
    rules = drawn_rules(sheet, layer.to_display.inverse()) if isinstance(sheet, PdfSheet) and tokens else []
    return PageContent(tokens, rules, layer.to_display)


def _by_ocr(sheet: Sheet, spec: Spec, engine: OcrEngine, layer: TextLayer, dpi: float) -> Page:
    reading = _read_area(sheet, spec, engine, None)
    size = median([token.size for token in reading.tokens]) if reading.tokens else 0.0
    rules = scanned_rules(reading.image, reading.zoom, size) if size else []
    warnings = () if reading.tokens else (NOTHING_READ,)
    facts = PageFacts(PageSource.OCR, dpi, reading.upright, len(layer.tokens), spelled(engine), warnings)
    return _page(sheet, facts, PageContent(reading.tokens, rules, reading.to_display))


def _mixed(sheet: Sheet, spec: Spec, engine: OcrEngine, layer: TextLayer, choice: Choice, dpi: float) -> Page:
    tokens = list(layer.tokens)
    for number, region in enumerate(choice.regions, start=1):
        reading = _read_area(sheet, spec, engine, region)
        to_page = reading.to_display.then(shift(region[0], region[1])).then(layer.to_display.inverse())
        moved = [
            token.moved(to_page)._replace(segment=token.segment + (number << 40)) for token in reading.tokens
        ]
        tokens += _uncovered(moved, layer.tokens)
    found = len(tokens) > len(layer.tokens)
    facts = PageFacts(
        PageSource.MIXED if found else PageSource.NATIVE,
        dpi,
        layer.upright,
        len(layer.tokens),
        spelled(engine) if found else None,
    )
    return _page(sheet, facts, _content(sheet, layer, tokens))


def _read_area(sheet: Sheet, spec: Spec, engine: OcrEngine, area: BoundingBox | None) -> Reading:
    options = spec.options.ocr
    dpi = fitting_dpi(sheet, sheet.ocr_dpi(options.dpi), spec.limits)
    return read_raster(sheet.raster(dpi, area), dpi / UNITS_PER_INCH, engine, options.languages)


def _uncovered(found: list[Token], known: list[Token]) -> list[Token]:
    """Return the words of `found` that no word of the text layer lies on."""
    bands: dict[int, list[Token]] = {}
    for token in known:
        for band in range(int(token.y0 // 20), int(token.y1 // 20) + 1):
            bands.setdefault(band, []).append(token)
    return [token for token in found if not _is_covered(token, bands)]


def _is_covered(token: Token, bands: dict[int, list[Token]]) -> bool:
    area = max((token.x1 - token.x0) * (token.y1 - token.y0), 1e-6)
    for band in range(int(token.y0 // 20), int(token.y1 // 20) + 1):
        for other in bands.get(band, ()):
            wide = min(token.x1, other.x1) - max(token.x0, other.x0)
            high = min(token.y1, other.y1) - max(token.y0, other.y0)
            if wide > 0 and high > 0 and wide * high > COVERED * area:
                return True
    return False


def _page(sheet: Sheet, facts: PageFacts, content: PageContent) -> Page:
    if unseen := sum(token.hidden for token in content.tokens):
        facts = replace(facts, warnings=(*facts.warnings, hidden.WARNING.format(count=unseen)))
    blocks = compose(content)
    return assemble(sheet, facts, content, blocks, write(blocks, content.tokens))
