"""What the generation of a schema takes and shows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from affidavit.engine.result import Citation, Value
from affidavit.engine.spec import Frozen

MAX_EXAMPLES = 50
MAX_DOCUMENTS = 20  # beside the one that is the source
MAX_PROMPT = 4000

JsonObject = dict[str, Any]


class GenerateParameters(Frozen):
    """What to make a schema from, beside the documents.

    `examples` are objects as the data should look. `prompt` says in words what is wanted and needs a
    language model. `extend` are schemas that were generated before, of other documents of the kind.
    """

    job_ids: Annotated[
        tuple[Annotated[str, Field(max_length=100)], ...],
        Field(
            max_length=MAX_DOCUMENTS,
            description="Earlier jobs, whose documents are looked at too; they are not read again.",
        ),
    ] = ()
    examples: Annotated[
        tuple[JsonObject, ...],
        Field(
            max_length=MAX_EXAMPLES,
            description="Objects as the data should look: they decide which values there are, and of which "
            "types. The documents then say what each is called.",
        ),
    ] = ()
    prompt: Annotated[
        str | None,
        Field(min_length=1, max_length=MAX_PROMPT, description="What is wanted; needs a language model."),
    ] = None
    extend: Annotated[
        tuple[JsonObject, ...],
        Field(max_length=MAX_EXAMPLES, description="Earlier schemas, to be united with this one."),
    ] = ()
    tables: Annotated[bool, Field(description="Whether tables become arrays of objects.")] = True
    sections: Annotated[
        bool, Field(description="Whether headed groups of values become objects of their own.")
    ] = True
    max_properties: Annotated[
        int, Field(ge=1, le=400, description="Most values in the schema; the clearest are kept.")
    ] = 200


class PropertySource(Value):
    """Where a property of the schema was seen: `path` is a JSON Pointer into the schema.

    `citations` are of the document of the job, and none where only another document prints the property.
    """

    path: str
    label: str
    citations: tuple[Citation, ...] = ()


class GenerateOutcome(Value):
    """A JSON Schema (2020-12), and the words that its properties are named after.

    `source` is `document`, `examples`, `model`, or several joined by `+`. `notes` say what was left out.
    """

    json_schema: JsonObject
    properties: tuple[PropertySource, ...] = ()
    source: str = "document"
    notes: tuple[str, ...] = ()
