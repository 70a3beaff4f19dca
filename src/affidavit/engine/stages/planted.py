"""Find text that is written for a language model and not for a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from affidavit.engine.result import Block, Document, Page

WARNING: Final = (
    "Text on page {page} reads like an instruction to a language model. No value that a model gave was "
    "taken from it."
)

_AGAINST: Final = (
    r"ignor\w*|disregard\w*|forget|override\w*|bypass\w*|vergiss|vergessen|missacht\w*|oubli\w*|olvid\w*"
    r"|dimentica\w*|negeer\w*|vergeet|esque[cç]\w*|pomi[nń]\w*|zignoruj\w*"
)
_ORDERS: Final = (
    r"instructions?|prompts?|directives?|commands?|guidelines?|anweisung\w*|vorgaben|befehle?"
    r"|consignes?|instrucciones|istruzioni|instructies|opdrachten|instru[cç][oõ]es|instrukcj\w*|polece\w*"
)
# Gaps are bounded, so that no text takes longer than its length.
_PHRASES: Final = re.compile(
    rf"\b(?:{_AGAINST})\b[^\n]{{0,60}}?\b(?:{_ORDERS})\b"
    rf"|\b(?:new|updated|system|neue|nouvelles|nuevas)\s+(?:{_ORDERS})\s*:"
    r"|\byou are (?:now )?(?:an? )?(?:ai|assistant|chatbot|language model|llm)\b"
    r"|\bas an? (?:ai|llm|language model|assistant)\b"
    r"|\b(?:attention|note|message|dear|to) (?:all |any |the )?"
    r"(?:ai|llm|language) ?(?:models?|assistants?|systems?)\b"
    r"|\bsystem prompt\s?:|</?\s?(?:document|system|instructions?|answer)\b|<\|\s?\w+\s?\|>"
    r"|\[/?INST\]",
    re.IGNORECASE,
)


def planted_words(document: Document) -> frozenset[str]:
    """Return the ids of words that no value of a model may rest on: of blocks that address it, and unseen."""
    unseen = {word for page in document.pages for word in page.hidden}
    return frozenset(unseen) | frozenset(
        word.id
        for page in document.pages
        for blocks in [{block.id for block in _planted(page)}]
        if blocks
        for word in page.words
        if word.block in blocks
    )


def warnings_of(document: Document) -> tuple[str, ...]:
    """Return what to warn of, once a page."""
    return tuple(WARNING.format(page=page.number) for page in document.pages if any(_planted(page)))


def _planted(page: Page) -> Iterator[Block]:
    for block in page.blocks:
        start, end = block.range
        if _PHRASES.search(page.markdown, start, end):
            yield block
