"""What a split takes and shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from affidavit.engine.operations.shapes.classify import Label, check_names
from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_TOPICS = 50
MAX_PARTS = 2000  # as many as a document may have pages
UNCATEGORISED = "uncategorised"


class SplitParameters(Frozen):
    """How to split. Without topics, parts are named by the kinds of documents that are known."""

    topics: Annotated[
        tuple[Label, ...],
        Field(
            max_length=MAX_TOPICS,
            description="What the parts may be. A part that is none of them is `uncategorised`.",
        ),
    ] = ()
    max_parts: Annotated[
        int,
        Field(ge=1, le=MAX_PARTS, description="Most parts to make; the surest boundaries are kept."),
    ] = MAX_PARTS
    keep_blank: Annotated[
        bool,
        Field(description="Whether a blank page belongs to the part before it; else it is in no part."),
    ] = True
    threshold: Annotated[
        int,
        Field(ge=1, le=99, description="A boundary at least this likely, in per cent, splits."),
    ] = 50
    files: Annotated[
        bool,
        Field(description="Whether to write each part of a PDF as a PDF of its own, among the artifacts."),
    ] = False

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        check_names(self.topics)
        if any(topic.name == UNCATEGORISED for topic in self.topics):
            raise PydanticCustomError("topics", "'uncategorised' means none of them; use another name")
        return self


class Cue(StrEnum):
    """What speaks for or against a boundary between two pages."""

    SEPARATOR = "separator"
    BARCODE = "barcode"
    BLANK = "blank"
    PAGE_NUMBER = "page_number"
    IDENTIFIER = "identifier"
    TITLE = "title"
    FIRST_PAGE = "first_page"
    RUNNING_HEAD = "running_head"
    LETTERHEAD = "letterhead"
    FOOTER = "footer"
    LAYOUT = "layout"
    VOCABULARY = "vocabulary"
    CONTINUATION = "continuation"
    ENDING = "ending"
    TOPIC = "topic"


class Reason(Value):
    """One cue. A positive `weight` speaks for a boundary; weights are log odds, and add up."""

    cue: Cue
    weight: float
    text: str


class Boundary(Value):
    """The gap before `page`. `probability`, 0 to 100, is of another document starting there.

    `splits` tells whether it was taken. `reasons` come strongest first.
    """

    page: int
    splits: bool
    probability: int
    reasons: tuple[Reason, ...]


class Part(Value):
    """One document of the packet.

    `pages` are 1-based page numbers, ascending; `range` is the same in words, as in `1-3,5`. `topic` is a
    topic's name, a known kind's where no topics were given, or `uncategorised`. `confidence` (0 to 100)
    is in the two ends of the part, `topic_confidence` in its topic. `title` is its heading as printed.
    `file` names the artifact that holds the part.
    """

    number: int
    pages: tuple[int, ...]
    range: str
    topic: str
    confidence: int
    topic_confidence: int
    title: str | None = None
    citations: tuple[Citation, ...] = ()
    file: str | None = None


class Barcode(Value):
    """A code that was read on a page: `format` as the reader of codes calls it, `text` its content."""

    page: int
    format: str
    text: str


class SplitOutcome(Value):
    """The parts in order, and why they end where they do.

    `boundaries` has the gaps that split and those that might have. `blank_pages` are all pages without
    text, `separator_pages` those that only part others and belong to no part; `unread_pages` could not be
    read and stay with the page before. `notes` say what was left out and why.
    """

    parts: tuple[Part, ...]
    boundaries: tuple[Boundary, ...] = ()
    blank_pages: tuple[int, ...] = ()
    separator_pages: tuple[int, ...] = ()
    unread_pages: tuple[int, ...] = ()
    uncategorised_pages: tuple[int, ...] = ()
    barcodes: tuple[Barcode, ...] = ()
    notes: tuple[str, ...] = ()
