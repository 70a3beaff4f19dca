"""Refuse a caller's JSON Schema that is invalid, too big, or looks outside itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from re import _parser  # type: ignore[attr-defined]  # the same in Python 3.11 to 3.14
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_hints import check_hints

MAX_NODES = 8_000  # JSON values in the schema; checking them all takes about half a second
MAX_NESTING = 64  # JSON nesting; far below Python's recursion limit
MAX_PATTERN_CHARS = 500

Schema = dict[str, Any]

_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")  # of a JSON array (RFC 6901)


def check_schema(schema: Schema) -> None:
    """Raise SchemaInvalid, with the JSON Pointer of the offence, for a schema that cannot be used.

    Size comes first, so that nothing after it recurses without end.
    """
    if not isinstance(schema, dict):
        raise SchemaInvalid("", "must be a JSON object")
    check_size(schema)
    _check_references(schema, "")
    _check_meta_schema(schema)
    for part, at in subschemas(schema, ""):
        _check_patterns(part, at)
        check_hints(part, at)


def check_size(schema: Schema) -> None:
    """Raise SchemaInvalid for a schema that is too big or too deep to be looked at."""
    count = 0
    pending: list[tuple[Any, int]] = [(schema, 1)]
    while pending:
        value, depth = pending.pop()
        count += 1
        if count > MAX_NODES:
            raise SchemaInvalid("", f"has more than {MAX_NODES} JSON values; send a smaller schema")
        if depth > MAX_NESTING:
            raise SchemaInvalid("", f"is nested more than {MAX_NESTING} levels deep; flatten it")
        if isinstance(value, dict):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)


def _check_meta_schema(schema: Schema) -> None:
    checker = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    error = best_match(checker.iter_errors(schema))
    if error is not None:
        raise SchemaInvalid(pointer(error.absolute_path), _meta_reason(error))


def _meta_reason(error: Any) -> str:
    last = error.absolute_path[-1] if error.absolute_path else ""
    if last == "type":
        types = "array, boolean, integer, null, number, object, string"
        return f"is not a JSON Schema type; use one of {types}, or a list of them"
    return _reason_by_draft(last, error.instance) or _reason_by_rule(error)


def _reason_by_draft(keyword: str | int, found: Any) -> str | None:
    """Say what became of a way to write it that older drafts had."""
    if keyword == "items" and isinstance(found, list):
        return "must be one schema for all items; a list of schemas is called prefixItems"
    if keyword in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(found, bool):
        return "must be the bound itself, a number; a boolean is of older drafts"
    if keyword == "required" and isinstance(found, bool):
        return 'must be a list of names beside "properties"; a boolean in the property is of older drafts'
    return None


def _reason_by_rule(error: Any) -> str:
    match error.validator:
        case "type":
            expected = error.validator_value
            wanted = expected if isinstance(expected, str) else " or ".join(expected)
            return f"must be of type {wanted}"
        case "minimum" | "exclusiveMinimum":
            return f"must be at least {error.validator_value}"
        case "minItems":
            return "must not be empty"
        case "uniqueItems":
            return "must name each only once"
        case rule:
            return f"is not valid JSON Schema 2020-12 (its '{rule}' rule is broken)"


def pointer(pieces: Any) -> str:
    """Return the JSON Pointer (RFC 6901) of these pieces of a path."""
    return "".join("/" + str(piece).replace("~", "~0").replace("/", "~1") for piece in pieces)


# Keywords whose value is data, not a schema: a "$ref" or a "pattern" in there means nothing.
_DATA_KEYWORDS = frozenset({"enum", "const", "default", "examples"})
# Keywords whose value maps names to schemas: a property may well be called "pattern".
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def subschemas(value: Any, path: str) -> Iterator[tuple[Schema, str]]:
    """Yield every schema in `value` with its JSON Pointer, `value` itself first."""
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from subschemas(child, f"{path}/{index}")
    if not isinstance(value, dict):
        return
    yield value, path
    for keyword, child in value.items():
        below = path + pointer([keyword])
        if keyword in _NAMED_SCHEMAS and isinstance(child, dict):
            for name, named in child.items():
                yield from subschemas(named, below + pointer([name]))
        elif keyword not in _DATA_KEYWORDS:
            yield from subschemas(child, below)


def map_subschemas(value: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a copy of a schema with `change` made to every schema in it, the inner ones first."""
    if isinstance(value, list):
        return [map_subschemas(child, change) for child in value]
    if not isinstance(value, dict):
        return value
    changed: Schema = {}
    for keyword, child in value.items():
        if keyword in _DATA_KEYWORDS:
            changed[keyword] = child
        elif keyword in _NAMED_SCHEMAS and isinstance(child, dict):
            changed[keyword] = {name: map_subschemas(named, change) for name, named in child.items()}
        else:
            changed[keyword] = map_subschemas(child, change)
    return change(changed)


def _check_references(schema: Schema, path: str) -> None:
    """Refuse whatever would make a validator look outside the schema."""
    for part, at in subschemas(schema, path):
        if isinstance(part.get("$dynamicRef"), str):
            raise SchemaInvalid(f"{at}/$dynamicRef", "is not supported; use $ref to #/$defs/NAME")
        if at and isinstance(part.get("$id"), str):
            raise SchemaInvalid(f"{at}/$id", "is only supported at the top of the schema")
        reference = part.get("$ref")
        if isinstance(reference, str):
            resolve(schema, reference, at)


def resolve(schema: Schema, reference: str, path: str) -> Any:
    """Return what a local `$ref`, standing at `path`, points at. Raises SchemaInvalid."""
    if not (reference == "#" or reference.startswith("#/")):
        raise SchemaInvalid(f"{path}/$ref", "must point into this schema, as in #/$defs/NAME")
    found: Any = schema
    for piece in unquote(reference).split("/")[1:]:
        name = piece.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise SchemaInvalid(f"{path}/$ref", f"points at '{reference}', which is not in the schema")
    return found


def _check_patterns(part: Schema, at: str) -> None:
    if isinstance(part.get("pattern"), str):
        _check_pattern(part["pattern"], f"{at}/pattern")
    for pattern in part.get("patternProperties", ()):
        _check_pattern(pattern, f"{at}/patternProperties" + pointer([pattern]))


def _check_pattern(pattern: str, path: str) -> None:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise SchemaInvalid(path, f"is longer than {MAX_PATTERN_CHARS} characters")
    try:
        # Read, not compiled: a class such as [a-\uffff] under (?i) takes a second to compile.
        _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        why = f": {error}" if isinstance(error, re.error) else ""
        raise SchemaInvalid(
            path, f"is not a regular expression that can be used here{why}. Python's syntax is what counts"
        ) from None
