"""Translate a document block by block, with its structure, its numbers and its codes kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from affidavit.engine.errors import ModelLimitReached, ModelNotConfigured, ModelUnavailable
from affidavit.engine.model import ModelRequest, answers_of, ask, outstanding, token_count
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.translate import (
    TranslatedBlock,
    TranslateOutcome,
    TranslateParameters,
)
from affidavit.engine.passage import Passage, chunks_of, passages_of, spell
from affidavit.engine.result import Block, Document
from affidavit.engine.spec import Limits

OVERHEAD_TOKENS: Final = 900
GROWTH: Final = 1.6  # tokens of a translation, of its source; the schema's names included
MOST_CHANGED: Final = 20  # values that are told of one block
LONGEST: Final = 40_000  # characters of a translated block

TASK: Final = """\
Translate the text of every passage into the language {target}{source}. Keep Markdown as it is: headings with
their #, the rows and pipes of tables, the signs of lists. Keep every number, date, amount, code, name of a
person or firm, address, web and mail address exactly as written. Translate everything else and add nothing.
Return one entry for each passage, with its id.{glossary}"""

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "blocks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "maxLength": 40},
                    "text": {"type": "string", "maxLength": LONGEST},
                },
                "required": ["id", "text"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["blocks"],
    "additionalProperties": False,
}

_CODE = re.compile(
    r"(?<!\w)(?=[\w./@-]*\d)[\w./@-]*[A-Za-z][\w./@-]*(?!\w)|[\w.+-]+@[\w-]+\.[\w.]+|https?://\S+"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The passages of one request, and the request."""

    passages: tuple[Passage, ...]
    request: ModelRequest


def prompts(context: Context, parameters: TranslateParameters, replies: Replies) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked: each chunk of blocks. Raises ModelLimitReached."""
    requests = [chunk.request for chunk in _chunks(context.document, parameters, context.spec.limits)]
    return outstanding(requests, tuple(replies))


def run(context: Context, parameters: TranslateParameters, replies: Replies) -> Finished:
    """Put the translated blocks together. Raises ModelNotConfigured, ModelUnavailable without a model."""
    chunks = _chunks(context.document, parameters, context.spec.limits)
    if chunks and not replies:
        raise ModelNotConfigured
    texts = _texts(chunks, replies)
    if chunks and not texts:
        raise ModelUnavailable
    return Finished(_outcome(context.document, parameters, texts))


def _chunks(document: Document, parameters: TranslateParameters, limits: Limits) -> list[Chunk]:
    glossary = "".join(f"\n{term} = {said}" for term, said in parameters.glossary.items())
    task = TASK.format(
        target=parameters.language,
        source=f" from {parameters.from_language}" if parameters.from_language else "",
        glossary=f"\nTranslate these terms so:{glossary}" if glossary else "",
    )
    room = limits.model_context_tokens - limits.model_reply_tokens - OVERHEAD_TOKENS - token_count(task)
    by_reply = int(limits.model_reply_tokens / GROWTH)
    chunks = list(_runs(passages_of(document), max(1, min(room, by_reply))))
    if len(chunks) > limits.model_requests:
        raise ModelLimitReached
    return [
        Chunk(
            chunk,
            ask(f"translation-{n}", task, spell(chunk), SCHEMA, max_tokens=limits.model_reply_tokens),
        )
        for n, chunk in enumerate(chunks)
    ]


def _runs(passages: Sequence[Passage], tokens: int) -> Iterator[tuple[Passage, ...]]:
    """Yield chunks in which no passage is said twice."""
    seen: set[tuple[str, str]] = set()
    for chunk in chunks_of(passages, tokens):
        fresh = [each for each in chunk if (each.id, each.text) not in seen]
        seen.update((each.id, each.text) for each in fresh)
        if fresh:
            yield tuple(fresh)


def _texts(chunks: Sequence[Chunk], replies: Replies) -> Mapping[str, str | None]:
    """Return the translation of each block that has all its parts, None for one that lacks some."""
    answers = answers_of([chunk.request for chunk in chunks], tuple(replies))
    parts: dict[str, list[str | None]] = {}
    for chunk in chunks:
        value = answers[chunk.request.id].value
        said = _by_id(value["blocks"]) if value is not None else {}
        for passage in chunk.passages:
            waiting = said.get(passage.id, [])
            parts.setdefault(passage.id, []).append(waiting.pop(0) if waiting else None)
    joined = {
        block: "\n".join(each for each in texts if each) if all(texts) else None
        for block, texts in parts.items()
    }
    return joined if any(joined.values()) else {}


def _by_id(blocks: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in blocks:
        if block["text"].strip():
            found.setdefault(block["id"], []).append(block["text"].strip())
    return found


def _outcome(
    document: Document, parameters: TranslateParameters, texts: Mapping[str, str | None]
) -> TranslateOutcome:
    parts: list[str] = []
    blocks: list[TranslatedBlock] = []
    at = 0
    for page, block, source in _blocks(document):
        text = texts.get(block.id)
        shown = text if text is not None else source
        parts.append(shown)
        blocks.append(
            TranslatedBlock(
                id=block.id,
                type=block.type,
                page=page,
                box=block.box,
                range=(at, at + len(shown)),
                source=source,
                text=shown,
                translated=text is not None,
                changed=tuple(changed_values(source, shown))[:MOST_CHANGED],
            )
        )
        at += len(shown) + 2
    return TranslateOutcome(
        language=parameters.language,
        from_language=parameters.from_language,
        markdown="\n\n".join(parts),
        blocks=tuple(blocks),
        flagged=sum(bool(block.changed) for block in blocks),
        untranslated=sum(not block.translated for block in blocks),
    )


def _blocks(document: Document) -> Iterator[tuple[int, Block, str]]:
    for page in document.pages:
        for block in page.blocks:
            text = page.markdown[block.range[0] : block.range[1]].strip()
            if text:
                yield page.number, block, text


def changed_values(source: str, translated: str) -> Iterator[str]:
    """Yield the numbers and codes that one of two texts has and the other has not, or has more often."""
    before, after = _values(source), _values(translated)
    for value in dict.fromkeys((*before, *after)):
        if before[value] != after[value]:
            yield value


def _values(text: str) -> Counter[str]:
    """Count the numbers, codes and addresses in a text, as they are printed."""
    values = Counter(found[0].rstrip(".,;:") for found in _CODE.finditer(text))
    rest = _CODE.sub(" ", text)
    values.update(re.findall(r"\d[\d.,'\u2019/:-]*\d|\d", rest))
    return values
