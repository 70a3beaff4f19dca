"""Generate a JSON Schema: from documents, from examples, or from a prompt where a model is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.model import ModelReply, ModelRequest
from affidavit.engine.operations.generate.documents import Found, shape_of_document
from affidavit.engine.operations.generate.examples import shape_of_examples
from affidavit.engine.operations.generate.naming import name_of
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
    """Generate a schema. Examples decide over the documents, and a prompt over both.

    Raises SchemaInvalid when nothing can be made of it, ModelError for a prompt that no model answers.
    """
    if parameters.prompt:
        shape = shape_of_wish(context, parameters.prompt, tuple(replies))
        return Finished(_outcome(shape, (), "model", parameters))
    if parameters.examples:
        shape = _labelled(shape_of_examples(parameters.examples), _labels_in(context, parameters))
        return Finished(_outcome(shape, (), "examples", parameters))
    return Finished(generate((context.document, *context.others), parameters))


def prompts(
    context: Context, parameters: GenerateParameters, replies: tuple[ModelReply, ...]
) -> tuple[ModelRequest, ...]:
    """Return what a model is to be asked; only a prompt needs one."""
    return wish(context, parameters.prompt, tuple(replies)) if parameters.prompt else ()


def generate(documents: Sequence[Document], parameters: GenerateParameters) -> GenerateOutcome:
    """Return the schema that these documents share: the union of their values, required where in all.

    Of one document alone nothing is required: it does not tell what others lack. Words are cited of the
    first, which is the job's own: a citation does not say of which document it is.
    """
    shapes: list[Shape] = []
    sources: dict[str, PropertySource] = {}
    for number, document in enumerate(documents):
        view = View(document)
        found = shape_of_document(document, view, parameters)
        if found.shape.properties:
            shapes.append(found.shape)
        for source in _sources(found, view, cites=number == 0):
            sources.setdefault(source.path, source)
    if not shapes and not parameters.extend:
        raise SchemaInvalid("", NOTHING)
    shape = reduce(unite, shapes) if shapes else Shape(frozenset({"object"}))
    if len(shapes) < 2:
        shape = _without_required(shape)
    return _outcome(shape, tuple(sources.values()), "document", parameters)


def _labels_in(context: Context, parameters: GenerateParameters) -> Mapping[str, tuple[str, ...]]:
    """Return what the documents call the values that they state, by the names of their properties."""
    labels: dict[str, tuple[str, ...]] = {}
    for document in (context.document, *context.others):
        for path, (label, _) in shape_of_document(document, View(document), parameters).places.items():
            labels[path[-1]] = tuple(dict.fromkeys((*labels.get(path[-1], ()), label)))
    return labels


def _labelled(shape: Shape, labels: Mapping[str, tuple[str, ...]], name: str = "") -> Shape:
    """Return the shape of examples with the labels of the values that the documents state by that name."""
    is_leaf = not shape.properties and shape.items is None
    return replace(
        shape,
        labels=labels.get(name_of(name), ()) if is_leaf else (),
        properties={each: _labelled(child, labels, each) for each, child in shape.properties.items()},
        items=_labelled(shape.items, labels, name) if shape.items else None,
    )


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


def _sources(found: Found, view: View, *, cites: bool) -> list[PropertySource]:
    return [
        PropertySource(
            path=pointer(path),
            label=label,
            citations=(cite(view, tokens, Match.EXACT),) if tokens and cites else (),
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
