"""What reading gives back: pages of words, blocks and tables, and fields that cite them.

Boxes are `(x0, y0, x1, y1)` in page units: origin at the top left of the page as displayed
(rotation and crop applied), the unit a PDF point, or a pixel of the image for images.
Ranges are `(start, end)` code points, end exclusive. In a `Page` they count from the start of
the page's own Markdown; in a `Document` they count from the start of the document's Markdown.
Ids are unique in a document: `p<page>.w<n>` words, `p<page>.l<n>` lines, `p<page>.b<n>` blocks,
`p<page>.t<n>` tables, n from 0 in reading order.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

BoundingBox = tuple[float, float, float, float]
Range = tuple[int, int]


class Value(BaseModel):
    """Immutable, and strict about its names: what is written is what is read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageSource(StrEnum):
    """Where the words of a page came from."""

    NATIVE = "native"
    OCR = "ocr"
    MIXED = "mixed"
    BLANK = "blank"


class BlockType(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    FIGURE = "figure"
    CAPTION = "caption"
    HEADER = "header"
    FOOTER = "footer"
    FOOTNOTE = "footnote"
    CODE = "code"
    FORMULA = "formula"
    FORM_FIELD = "form_field"


class Word(Value):
    """One word. `confidence` is 0 to 1; 1 for a trusted text layer.

    `range` is where the word stands in the page's Markdown; None when the Markdown leaves it out
    (a hyphen joined over a line end, say, keeps the range of the joined word on both halves).
    """

    id: str
    text: str
    box: BoundingBox
    confidence: float
    line: str
    block: str | None = None
    range: Range | None = None


class Line(Value):
    id: str
    box: BoundingBox
    words: tuple[str, ...]


class Block(Value):
    """A piece of a page in reading order. `level` is 1 to 6 for headings, nesting for list items."""

    id: str
    type: BlockType
    box: BoundingBox
    range: Range
    lines: tuple[str, ...] = ()
    level: int | None = None
    table: str | None = None
    confidence: float = 1.0


class Cell(Value):
    """A cell of a table; `words` are the ids of the words in it, in reading order."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    header: bool = False
    text: str
    box: BoundingBox
    range: Range | None = None
    words: tuple[str, ...] = ()


class Table(Value):
    id: str
    page: int
    box: BoundingBox
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    range: Range | None = None


class Page(Value):
    """A page as it was read: the unit of a checkpoint, complete on its own.

    `width` and `height` are in page units, as displayed. `rotation` is what the file asked for, in
    degrees clockwise, `upright` what reading added to it to turn the text upright for OCR; boxes
    are in the displayed page, before `upright`. `dpi` is the page image's: a box times
    dpi / 72 is in its pixels.
    `text_layer_words` is how many words the file's text layer has on this page, whether used or not.
    A `damaged` page is there only in part; what the file still holds of it was read. `hidden` are the ids
    of words that nobody sees on the page.
    """

    number: int
    width: float
    height: float
    rotation: int = 0
    upright: int = 0
    dpi: float
    source: PageSource
    markdown: str
    range: Range
    blocks: tuple[Block, ...] = ()
    tables: tuple[Table, ...] = ()
    lines: tuple[Line, ...] = ()
    words: tuple[Word, ...] = ()
    text_layer_words: int = 0
    ocr_engine: str | None = None
    damaged: bool = False
    warnings: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


class PageError(Value):
    """A page that could not be read, and why."""

    page: int
    code: str
    message: str


class Match(StrEnum):
    """How a value was found among the words."""

    EXACT = "exact"
    NORMALIZED = "normalized"
    FUZZY = "fuzzy"


class Citation(Value):
    """The words on a page that a value came from. `range` is into the document's Markdown."""

    page: int
    box: BoundingBox
    words: tuple[str, ...]
    range: Range | None
    quote: str
    match: Match


class Alternative(Value):
    value: Any
    confidence: int
    citations: tuple[Citation, ...] = ()


class FieldValue(Value):
    """A value with its evidence. `confidence` is 0 to 100."""

    value: Any
    confidence: int
    citations: tuple[Citation, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


class SchemaViolation(Value):
    """Where `data` breaks the schema: a JSON Pointer into `data`, and why."""

    path: str
    message: str


class PageCounts(Value):
    total: int
    native: int = 0
    ocr: int = 0
    mixed: int = 0
    blank: int = 0
    failed: int = 0


class Completeness(Value):
    """The ledger: every page, and every word of the text layers, accounted for.

    `text_layer_words` counts the text-layer words of pages whose text layer was used;
    `words_in_output` counts those of them that stand in the Markdown. `ok` is true when no page
    failed, none is damaged, and the two are equal. `warnings` says what else may be missing.
    """

    ok: bool
    pages: PageCounts
    text_layer_words: int
    words_in_output: int
    failed_pages: tuple[PageError, ...] = ()
    damaged_pages: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


class OcrInfo(Value):
    """The readers that were used, each `name version`, and the SHA-256 of each model file."""

    engines: tuple[str, ...] = ()
    models: dict[str, str] = Field(default_factory=dict)


class ModelInfo(Value):
    """The language model that helped: its name, the version that its server tells, and what it took."""

    name: str
    version: str | None = None
    requests: int
    input_tokens: int
    output_tokens: int


class EngineInfo(Value):
    """`model` is None when rules alone made the result."""

    version: str
    ocr: OcrInfo = OcrInfo()
    model: ModelInfo | None = None


class Usage(Value):
    pages: int


class Document(Value):
    """All pages of a document that were asked for, in order; what failed is listed beside them."""

    media_type: str
    page_count: int
    pages: tuple[Page, ...]
    failed: tuple[PageError, ...] = ()


class ResultPage(Value):
    """A page in a result: a `Page` without what the result has once for the whole document.

    `lines` and `words` are None unless options.words asks for them.
    """

    number: int
    width: float
    height: float
    rotation: int
    upright: int
    dpi: float
    source: PageSource
    range: Range
    blocks: tuple[Block, ...]
    lines: tuple[Line, ...] | None
    words: tuple[Word, ...] | None
    text_layer_words: int
    ocr_engine: str | None
    damaged: bool
    warnings: tuple[str, ...]


class ArtifactInfo(Value):
    """A file that the job made: what `/artifacts/{name}` serves. Size in bytes."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


def _is_absent(value: object) -> bool:
    return value is None


# What one operation alone has to say; its shape is in `engine.operations.shapes`.
Said = Annotated[Any, Field(exclude_if=_is_absent)]


class Result(Value):
    """The result of a job, as `/result` serves it.

    `fields` has one entry per leaf of the schema, keyed by its path in `data`: `total`,
    `seller.name`, `lines[0].quantity`. A name with a dot, bracket, quote or backslash in it, or none,
    stands as JSON in brackets: `["a.b"].c`. `data_schema` is what `data` was to follow, in plain JSON
    Schema, whatever the caller wrote it in or took it from.
    """

    operation: str
    media_type: str
    markdown: str
    pages: tuple[ResultPage, ...]
    tables: tuple[Table, ...] = ()
    data: Any = None
    fields: dict[str, FieldValue] = Field(default_factory=dict)
    ungrounded_fields: tuple[str, ...] = ()
    schema_violations: tuple[SchemaViolation, ...] = ()
    confidence: int | None = None
    data_schema: Annotated[dict[str, Any] | None, Field(exclude_if=_is_absent)] = None
    split: Said = None
    classification: Said = None
    generated: Said = None
    answer: Said = None
    summary: Said = None
    claims: Said = None
    translation: Said = None
    forms: Said = None
    steps: Said = None
    review: Said = None
    artifacts: Annotated[tuple[ArtifactInfo, ...] | None, Field(exclude_if=_is_absent)] = None
    completeness: Completeness
    warnings: tuple[str, ...] = ()
    engine: EngineInfo
    usage: Usage
