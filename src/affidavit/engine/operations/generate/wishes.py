"""Have a language model say which values a prompt asks for, and make a shape of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from affidavit.engine.errors import ModelNotConfigured, ModelReplyInvalid, model_error
from affidavit.engine.model import (
    UNANSWERED,
    ModelReply,
    ModelRequest,
    answers_of,
    ask,
    outstanding,
)
from affidavit.engine.operations.generate.naming import name_of
from affidavit.engine.operations.generate.shape import Shape, leaf, unite
from affidavit.engine.operations.port import Context
from affidavit.engine.passage import chunks_of, passages_of, spell

NAME: Final = "schema"
DOCUMENT_SHARE: Final = 0.4  # of the tokens of a request that the document may take
REPLY_TOKENS: Final = 2000
MOST_WISHES: Final = 200
MOST_DEPTH: Final = 4

_TASK = """\
List the values that should be extracted from documents like this one, for this wish of the caller:
{prompt}
Each value has a path of snake_case English names: `invoice_number`, `seller.name` for a value inside an
object, `lines[].amount` for a value of each item of a list; a type; and a description in the words that such
documents print beside it. List only what the wish asks for."""

_TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    "string": ("string", None),
    "number": ("number", None),
    "integer": ("integer", None),
    "boolean": ("boolean", None),
    "date": ("string", "date"),
    "date-time": ("string", "date-time"),
    "email": ("string", "email"),
    "uri": ("string", "uri"),
    "currency": ("string", "currency"),
}
_REPLY: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "values": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_WISHES,
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "minLength": 1, "maxLength": 200},
                    "type": {"enum": list(_TYPES)},
                    "description": {"type": "string", "maxLength": 300},
                },
                "required": ["path", "type", "description"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["values"],
    "additionalProperties": False,
}


def wish(context: Context, prompt: str, replies: Sequence[ModelReply]) -> tuple[ModelRequest, ...]:
    """Return what a model is still to be asked."""
    return outstanding(_requests(context, prompt), tuple(replies))


def shape_of_wish(context: Context, prompt: str, replies: Sequence[ModelReply]) -> Shape:
    """Return the shape that a model answered. Raises ModelError where it did not."""
    if not replies:
        raise ModelNotConfigured
    answer = answers_of(_requests(context, prompt), tuple(replies))[NAME]
    if answer.value is None:
        raise model_error(answer.error or UNANSWERED)
    shape = Shape(frozenset({"object"}))
    for value in answer.value["values"]:
        kind, form = _TYPES[value["type"]]
        names = [piece for piece in value["path"].split(".") if name_of(piece)][:MOST_DEPTH]
        if names:
            end = leaf(kind, form)
            described = Shape(end.types, end.formats, description=value["description"].strip() or None)
            shape = unite(shape, _nested(names, described))
    if not shape.properties:
        raise ModelReplyInvalid
    return shape


def _requests(context: Context, prompt: str) -> tuple[ModelRequest, ...]:
    room = int(context.spec.limits.model_context_tokens * DOCUMENT_SHARE)
    chunks = chunks_of(passages_of(context.document), room)
    text = spell(chunks[0]) if chunks else ""
    return (ask(NAME, _TASK.format(prompt=prompt), text, _REPLY, max_tokens=REPLY_TOKENS),)


def _nested(names: Sequence[str], end: Shape) -> Shape:
    """Return an object with the value at the path of these names; `x[]` is a list of objects."""
    name, rest = names[0], names[1:]
    inner = _nested(rest, end) if rest else end
    child = Shape(frozenset({"array"}), items=inner) if name.rstrip().endswith("[]") else inner
    return Shape(frozenset({"object"}), properties={name_of(name): child})
