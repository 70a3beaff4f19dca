"""What a translation takes and shows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from affidavit.engine.result import BlockType, BoundingBox, Range, Value
from affidavit.engine.spec import Frozen

MAX_TERMS = 200
MAX_TERM = 200

# A tag of RFC 5646 in its usual parts: language, script, region.
LanguageTag = Annotated[
    str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?$", max_length=12)
]
Term = Annotated[str, Field(min_length=1, max_length=MAX_TERM)]


class TranslateParameters(Frozen):
    """Into which language. `glossary` says how terms are to be translated, or that they stay."""

    language: LanguageTag
    from_language: LanguageTag | None = None
    glossary: Annotated[dict[Term, Term], Field(max_length=MAX_TERMS)] = Field(default_factory=dict)


class TranslatedBlock(Value):
    """A block of the document and what became of it. `range` is in the translated Markdown.

    `changed` are the numbers and codes of the source that the translation does not have, or has anew; a
    block with any is to be looked at. `translated` is false when the model gave nothing for the block, which
    then stands as it was.
    """

    id: str
    type: BlockType
    page: int
    box: BoundingBox
    range: Range
    source: str
    text: str
    translated: bool
    changed: tuple[str, ...] = ()


class TranslateOutcome(Value):
    """The document in the other language, as Markdown of the same structure, and block by block."""

    language: str
    from_language: str | None
    markdown: str
    blocks: tuple[TranslatedBlock, ...]
    flagged: int
    untranslated: int
