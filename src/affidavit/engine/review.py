"""Decide whether a person has to look at a result before it counts."""

from __future__ import annotations

from typing import Final

from affidavit.engine.field_path import parse_path, pointer_of
from affidavit.engine.result import FieldValue, Result
from affidavit.engine.spec import ReviewOptions

MAX_FLAGGED: Final = 200  # that are told; the others are in the result too


def flagged(result: Result, options: ReviewOptions) -> tuple[str, ...]:
    """Return the paths of fields that a person should look at, in the order of the schema; at most 200.

    A value flags when it is below the threshold or stands on no words; an empty field only when the schema
    insists on a value. What the schema misses beside fields is told by its JSON Pointer.
    """
    broken = {violation.path for violation in result.schema_violations}
    found = [path for path, field in result.fields.items() if _is_doubtful(field, options)]
    told = {pointer_of(parse_path(path)) for path in found}
    empty = {pointer_of(parse_path(path)): path for path in result.fields.keys() - set(found)}
    found += [empty.get(pointer, pointer) for pointer in sorted(broken - told)]
    return tuple(found[:MAX_FLAGGED])


def _is_doubtful(field: FieldValue, options: ReviewOptions) -> bool:
    return field.value is not None and (field.confidence < options.threshold or not field.citations)
