"""Read a schema as callers write it, in shorthand or with `nullable`, into plain JSON Schema."""

from __future__ import annotations

from typing import Any

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema import CompiledSchema, compile_schema
from affidavit.engine.schema_check import Schema, check_size, map_subschemas
from affidavit.engine.schema_shorthand import Expansion, expand, is_schema

NULLABLE = "nullable"  # of OpenAPI 3.0; JSON Schema knows null as a type


def read_schema(raw: Any) -> CompiledSchema:
    """Return the compiled schema; its `schema` is JSON Schema 2020-12, whatever `raw` was written in.

    Raises SchemaInvalid with the JSON Pointer into `raw`.
    """
    if not isinstance(raw, dict):
        raise SchemaInvalid("", 'must be a JSON object, such as {"total": "number: amount due"}')
    check_size(raw)
    expansion = Expansion(raw) if is_schema(raw) else expand(raw)
    try:
        return compile_schema(map_subschemas(expansion.schema, _spell_nullable))
    except SchemaInvalid as error:
        raise SchemaInvalid(expansion.place_of(error.path), error.reason) from None


def _spell_nullable(part: Schema) -> Schema:
    """Return a schema without `nullable`, which allows null as JSON Schema says it."""
    if not isinstance(part.get(NULLABLE), bool):
        return part
    rest = {name: value for name, value in part.items() if name != NULLABLE}
    if not part[NULLABLE]:
        return rest
    kind = rest.get("type")
    if kind is None and not isinstance(rest.get("enum"), list):
        return {"anyOf": [rest, {"type": "null"}]} if rest else rest
    if isinstance(kind, str | list):
        kinds = [kind] if isinstance(kind, str) else kind
        rest["type"] = kinds if "null" in kinds else [*kinds, "null"]
    if isinstance(rest.get("enum"), list) and None not in rest["enum"]:
        rest["enum"] = [*rest["enum"], None]
    if "const" in rest and rest["const"] is not None:
        rest["enum"] = [rest.pop("const"), None]
    return rest
