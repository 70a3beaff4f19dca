"""Shorthands of the reading tests: specifications, and documents read with no engine or a given one."""

from __future__ import annotations

from affidavit.engine.ocr.null import NullOcr
from affidavit.engine.pipeline import ReadDocument, Source, finish, read
from affidavit.engine.ports import OcrEngine
from affidavit.engine.result import Page, Result
from affidavit.engine.spec import Limits, Operation, Options, Spec


def spec(*, limits: Limits | None = None, images: bool = False, **options: object) -> Spec:
    """Return a specification of a parse with words."""
    chosen = Options.model_validate({"words": True, **options})
    return Spec(operation=Operation.PARSE, options=chosen, limits=limits or Limits(), page_images=images)


def read_bytes(data: bytes, asked: Spec | None = None, ocr: OcrEngine | None = None) -> ReadDocument:
    return read(Source(data), asked or spec(), ocr or NullOcr())


def only_page(data: bytes, asked: Spec | None = None, ocr: OcrEngine | None = None) -> Page:
    (page,) = read_bytes(data, asked, ocr).document.pages
    return page


def result_of(data: bytes, asked: Spec | None = None, ocr: OcrEngine | None = None) -> Result:
    chosen = asked or spec()
    engine = ocr or NullOcr()
    return finish(read_bytes(data, chosen, engine).document, chosen, engine)
