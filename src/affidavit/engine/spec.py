"""What to do with a document: the operation, its options and the limits, all frozen values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from affidavit.engine.errors import PageLimitExceeded, PageRangeInvalid


class Operation(StrEnum):
    """What a job does. `engine.operations.served` says which of them can be asked for."""

    PARSE = "parse"
    EXTRACT = "extract"
    SPLIT = "split"
    CLASSIFY = "classify"
    SCHEMA = "schema"
    ASK = "ask"
    SUMMARIZE = "summarize"
    CHECK_CLAIMS = "check_claims"
    TRANSLATE = "translate"
    FORMS = "forms"
    PIPELINE = "pipeline"


class OcrMode(StrEnum):
    """When to read a page by OCR."""

    AUTO = "auto"  # by what the page holds
    ALWAYS = "always"  # every page, whatever its text layer says
    NEVER = "never"  # the text layer or nothing


class OcrEngineName(StrEnum):
    """Which reader of images to use; `auto` is chosen by measured rules in `ocr`."""

    AUTO = "auto"
    TESSERACT = "tesseract"
    PPOCR = "ppocr"
    NULL = "null"


AUTO_MODEL: Final = "auto"  # the installation's first, if it has one; when it fails, rules alone
NO_MODEL: Final = "none"  # rules alone
MODEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$"  # as OpenAI, Ollama and Hugging Face name theirs

ModelName = Annotated[str, Field(pattern=MODEL_PATTERN, max_length=200)]


class Frozen(BaseModel):
    """A value: immutable, and refusing names that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Language = Annotated[str, Field(pattern=r"^[a-z]{3}(_[A-Za-z]+)?$", max_length=16)]


class OcrOptions(Frozen):
    """How to read images of text. Languages are ISO 639-2 codes as Tesseract spells them."""

    mode: OcrMode = OcrMode.AUTO
    engine: OcrEngineName = OcrEngineName.AUTO
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=8)] = ("eng",)
    dpi: Annotated[int, Field(ge=72, le=600)] = 200


PAGES_PATTERN = r"^\s*\d{1,6}\s*(-\s*(\d{1,6})?)?\s*(,\s*\d{1,6}\s*(-\s*(\d{1,6})?)?\s*)*$"


def _check_pages(pages: str) -> str:
    if re.fullmatch(PAGES_PATTERN, pages) is None:
        raise PydanticCustomError("pages", "is not a list of pages and ranges such as 1-3,7,12-")
    return pages


Pages = Annotated[
    str, Field(max_length=1000, json_schema_extra={"pattern": PAGES_PATTERN}), AfterValidator(_check_pages)
]


class Options(Frozen):
    """The caller's options for one submission. Pages are 1-based, as in `1-3,7,12-`."""

    pages: Pages | None = None
    password: Annotated[str | None, Field(max_length=1024, repr=False)] = None
    ocr: OcrOptions = OcrOptions()
    strict: bool = False
    allow_partial: bool = False
    words: bool = False
    model: Annotated[
        ModelName,
        Field(
            description="`auto`: the installation's language model where it has one, and rules alone when "
            "that fails. `none`: rules alone. A name of /v1/capabilities: that model, or the job fails."
        ),
    ] = AUTO_MODEL

    @property
    def is_model_named(self) -> bool:
        """Tell whether a model of the caller's choice must answer, or the job is to fail."""
        return self.model not in (AUTO_MODEL, NO_MODEL)


class ReviewOptions(Frozen):
    """When a person is asked: a field below `threshold` (1 to 100) holds the result back."""

    threshold: Annotated[int, Field(ge=1, le=100)]


class Limits(Frozen):
    """What one document may cost. Sizes in bytes, `pixels` per page raster."""

    pages: int = 2000
    pixels: int = 50_000_000
    side_pixels: int = 20_000
    output_bytes: int = 200_000_000
    model_context_tokens: int = 8192  # of one request to a language model, its reply included
    model_reply_tokens: int = 2048
    model_requests: int = 64  # to a language model, for one job


TEXT_BYTES: Final = 64 << 20  # of one text of a bundle; a verifier takes no more


def structure_bytes(output_bytes: int) -> int:
    """Return what a file with all words of a document may take, where a result may take so much.

    2,000 pages of 400 words with their boxes are 180 MB.
    """
    return 4 * output_bytes


class Spec(Frozen):
    """Everything that the engine needs to know beside the bytes.

    `parameters` are what the operation asks for beside: see `engine.operations`.
    """

    operation: Operation
    options: Options = Options()
    json_schema: dict[str, Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    review: ReviewOptions | None = None
    page_images: bool = True

    @model_validator(mode="after")
    def _schema_where_needed(self) -> Self:
        if self.operation is Operation.EXTRACT and self.json_schema is None:
            raise ValueError("extract needs a schema")
        return self

    def reading_key(self, engine_versions: dict[str, str]) -> str:
        """Hash of all that decides what a page reads as: OCR options and engine versions.

        The schema, the password and the page range are left out on purpose, so that a page that
        was read once serves every later question about the same document.
        """
        seen = {
            "ocr": self.options.ocr.model_dump(mode="json"),
            "images": self.page_images,
            "engine": engine_versions,
        }
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:32]


def select_pages(pages: str | None, page_count: int, limit: int) -> list[int]:
    """Return the 1-based page numbers that `pages` asks for, ascending and each once.

    Raises PageRangeInvalid for a range that is reversed or outside the document, and
    PageLimitExceeded when more than `limit` pages are asked for.
    """
    if pages is None:
        chosen = range(1, page_count + 1)
        if page_count > limit:
            raise PageLimitExceeded(limit=limit, pages=page_count)
        return list(chosen)
    numbers: set[int] = set()
    for part in (piece.strip() for piece in pages.split(",")):
        numbers.update(_range_of(part, page_count))
    if len(numbers) > limit:
        raise PageLimitExceeded(limit=limit, pages=len(numbers))
    return sorted(numbers)


def page_ranges(pages: Iterable[int]) -> str:
    """Return ascending page numbers in their shortest form, as in `1-3,7`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][1] + 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _range_of(part: str, page_count: int) -> range:
    found = re.fullmatch(r"(\d+)\s*(-)?\s*(\d+)?", part)
    if found is None:
        raise PageRangeInvalid(part, "is not a page or a range such as 3, 1-4 or 7-")
    first = int(found[1])
    last = int(found[3]) if found[3] else (page_count if found[2] else first)
    if first < 1:
        raise PageRangeInvalid(part, "starts below page 1")
    if first > page_count or last > page_count:
        raise PageRangeInvalid(part, f"is outside the document, which has {page_count} page(s)")
    if last < first:
        raise PageRangeInvalid(part, "ends before it starts")
    return range(first, last + 1)
