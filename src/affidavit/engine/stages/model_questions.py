"""Ask a model to fill a schema: the task in words, the shape of the answer, the document in chunks."""

from __future__ import annotations

from typing import Any, Final

from affidavit.engine.errors import ModelLimitReached
from affidavit.engine.model import REPAIR_TOKENS, ModelRequest, ask, token_count
from affidavit.engine.passage import Passage, chunks_of, passages_of, spell
from affidavit.engine.result import Document
from affidavit.engine.schema import ArrayNode, Leaf, LeafType, Node, ObjectNode
from affidavit.engine.spec import Limits

NAME: Final = "fields"
LEAST_CHUNK_TOKENS: Final = 256  # less document than this beside so much schema is not worth asking
FENCE_TOKENS: Final = 64  # around the document, and what a chat's template adds
NOTE_CHARS: Final = 300  # of a caller's description

TASK: Final = """\
Fill in a form from a document. For each field of the schema give its value and a quote.
"value": what the document says, or null when it does not say it. Never guess, never compute, never use
what you know from elsewhere. Write numbers as JSON numbers without units and thousands separators, dates as
YYYY-MM-DD, everything else as it is printed.
"quote": the shortest run of words, copied letter by letter from the document, that holds the value, with its
label where it has one; null when the value is null.
A list has one entry for each thing that the document lists, in its order; it is empty when there is none.
What you see may be one part of a longer document: fill in only what stands in this part."""

_FORMATS: Final = {
    "date": "as YYYY-MM-DD",
    "date-time": "as YYYY-MM-DDTHH:MM:SSZ",
    "time": "as HH:MM:SS",
    "currency": "the three letters of ISO 4217",
}


def requests_of(document: Document, root: ObjectNode, limits: Limits) -> tuple[ModelRequest, ...]:
    """Return one request for each chunk of the document. Raises ModelLimitReached."""
    schema = answer_schema(root)
    return tuple(
        ask(f"{NAME}.{number}", TASK, spell(chunk), schema, max_tokens=limits.model_reply_tokens)
        for number, chunk in enumerate(chunks_for(document, root, limits))
    )


def chunks_for(document: Document, root: ObjectNode, limits: Limits) -> list[tuple[Passage, ...]]:
    """Cut the document so that each part fits beside the task. Raises ModelLimitReached."""
    task = ask(NAME, TASK, "", answer_schema(root), max_tokens=1)
    around = token_count(task.instructions) + FENCE_TOKENS
    tokens = limits.model_context_tokens - limits.model_reply_tokens - REPAIR_TOKENS - around
    if tokens < LEAST_CHUNK_TOKENS:
        raise ModelLimitReached
    found = chunks_of(passages_of(document), tokens)
    if len(found) > limits.model_requests:
        raise ModelLimitReached
    return found


def answer_schema(node: Node) -> dict[str, Any]:
    """Return the shape of an answer: that of the data, with a value and a quote for each leaf.

    It says only what servers commonly enforce while they write: types, names and choices.
    """
    match node:
        case Leaf():
            return _leaf(node)
        case ArrayNode():
            return _noted({"type": "array", "items": answer_schema(node.item)}, node)
        case ObjectNode():
            return _noted(_closed({name: answer_schema(child) for name, child in node.children}), node)


def _leaf(leaf: Leaf) -> dict[str, Any]:
    types = [kind.value for kind in (leaf.type, *leaf.other_types)]
    value: dict[str, Any] = {"type": [*types, "null"]}
    if leaf.enum:
        value["enum"] = [*leaf.enum, None]
    if leaf.type is LeafType.STRING and leaf.format in _FORMATS:
        value["description"] = _FORMATS[leaf.format]
    return _noted(_closed({"value": value, "quote": {"type": ["string", "null"]}}), leaf)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _noted(schema: dict[str, Any], node: Node) -> dict[str, Any]:
    """Add what the caller says of a node."""
    labels = f"printed as {' or '.join(node.labels)}" if node.labels else None
    said = [part for part in (node.title, node.description, labels) if part]
    return schema | {"description": "; ".join(said)[:NOTE_CHARS]} if said else schema
