"""Generate a JSON Schema: from documents, from examples, or from a prompt where a model is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.model import ModelReply, ModelRequest
from affidavit.engine.operations.generate.documents import Found, shape_of_document
from affidavit.engine.operations.generate.examples import shape_of_examples
from affidavit.engine.operations.generate.shape import Shape, from_schema, limit, to_schema, unite, walk
from affidavit.engine.operations.generate.wishes import shape_of_wish, wish
from affidavit.engine.operations.port import Context, Finished, Replies
from affidavit.engine.operations.shapes.generate import GenerateOutcome, GenerateParameters, PropertySource
from affidavit.engine.result import Document, Match
from affidavit.engine.schema import compile_schema
from affidavit.engine.schema_check import pointer
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import View

__all__ = ["generate", "prompts", "run"]

NOTHING: Final = (
    "cannot be made: the document prints no labelled value and no table. Send examples of the data instead"
)


def run(context: Context, parameters: GenerateParameters, replies: Replies) -> Finished:
    """Generate a schema. Raises SchemaInvalid when nothing can be made of it, ModelError for a prompt."""
    if parameters.prompt:
        shape = shape_of_wish(context, parameters.prompt, tuple(replies))
        return Finished(_outcome(shape, (), "model", parameters))
    if parameters.examples:
        shape = shape_of_examples(parameters.examples)
        return Finished(_outcome(shape, (), "examples", parameters))
    return Finished(generate((context.document, *context.others), parameters))


def prompts(
    context: Context, parameters: GenerateParameters, replies: tuple[ModelReply, ...]
) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked; only a prompt needs one."""
    return wish(context, parameters.prompt, tuple(replies)) if parameters.prompt else ()


def generate(documents: Sequence[Document], parameters: GenerateParameters) -> GenerateOutcome:
    """Return the schema that these documents share: the union of their values, required where in all.

    Of one document alone nothing is required: it does not tell what others lack.
    """
    shapes: list[Shape] = []
    sources: dict[str, PropertySource] = {}
    for document in documents:
        view = View(document)
        found = shape_of_document(document, view, parameters)
        if found.shape.properties:
            shapes.append(found.shape)
        for source in _sources(found, view):
            sources.setdefault(source.path, source)
    if not shapes and not parameters.extend:
        raise SchemaInvalid("", NOTHING)
    shape = reduce(unite, shapes) if shapes else Shape(frozenset({"object"}))
    if len(shapes) < 2:
        shape = _without_required(shape)
    return _outcome(shape, tuple(sources.values()), "document", parameters)


def _outcome(
    shape: Shape, sources: Sequence[PropertySource], made_of: str, parameters: GenerateParameters
) -> GenerateOutcome:
    for number, schema in enumerate(parameters.extend):
        earlier = from_schema(read_schema(dict(schema)).schema)
        shape = unite(shape, earlier) if shape.properties else earlier
        made_of = made_of if number else f"{made_of}+extend"
    shape, left_out = limit(shape, parameters.max_properties)
    schema = to_schema(shape)
    compile_schema(schema)
    notes = (f"{left_out} values beyond max_properties were left out.",) if left_out else ()
    kept = {pointer(path) for path in _paths(shape)}
    return GenerateOutcome(
        json_schema=schema,
        properties=tuple(source for source in sources if source.path in kept),
        source=made_of,
        notes=notes,
    )


def _paths(shape: Shape) -> list[tuple[str, ...]]:
    return [path for path, _ in walk(shape)]


def _sources(found: Found, view: View) -> list[PropertySource]:
    return [
        PropertySource(
            path=pointer(path),
            label=label,
            citations=(cite(view, tokens, Match.EXACT),) if tokens else (),
        )
        for path, (label, tokens) in found.places.items()
    ]


def _without_required(shape: Shape) -> Shape:
    return replace(
        shape,
        required=frozenset(),
        properties={name: _without_required(child) for name, child in shape.properties.items()},
        items=_without_required(shape.items) if shape.items else None,
    )
