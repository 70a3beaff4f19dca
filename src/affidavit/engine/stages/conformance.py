"""Whether data is what a schema asks for: its rules, its formats, and values that only need another type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError
from referencing import Registry

from affidavit.engine.result import SchemaViolation
from affidavit.engine.schema import Leaf, LeafType
from affidavit.engine.schema_check import Schema, pointer
from affidavit.engine.stages.deadline import TimeLimitReached, time_limit
from affidavit.engine.stages.values.codes import find_emails, find_uris, is_iban
from affidavit.engine.stages.values.currencies import CURRENCY_CODES

MAX_VIOLATIONS: Final = 100
MAX_MESSAGE: Final = 300
CHECK_SECONDS: Final = 5.0  # the largest schema with 100 items takes about 0.5 s
NOT_CHECKED: Final = "The data could not be checked against the schema: "
TOO_COSTLY: Final = "it takes too long. Simplify its patterns and references."
BAD_PATTERN: Final = "a pattern in it cannot be used here. Write it as Python's regular expressions."
ENDLESS: Final = "it refers to itself without end."

_NUMBER: Final = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?")
_PHONE: Final = re.compile(r"\+?[\d\s()./\-\u2013]+(\s?(ext|x)\.?\s?\d+)?")
_LEAST_DIGITS_OF_PHONE: Final = 5


def check(data: Any, schema: Schema, seconds: float = CHECK_SECONDS) -> tuple[SchemaViolation, ...]:
    """Return where `data` breaks `schema`, formats included, in order of place; at most 100.

    A schema whose check has no end, or none in time, is listed as not checked.
    """
    validator = _Validator(schema, format_checker=FORMATS, registry=Registry())
    try:
        with time_limit(seconds):
            errors = list(validator.iter_errors(data))
    except RecursionError:
        return _not_checked(ENDLESS)
    except TimeLimitReached:
        return _not_checked(TOO_COSTLY)
    except re.error:  # patterns are read at the door, and compiled only here
        return _not_checked(BAD_PATTERN)
    errors.sort(key=lambda error: [str(piece) for piece in error.absolute_path])
    return tuple(_violation(error) for error in errors[:MAX_VIOLATIONS])


def coerced(value: Any, leaf: Leaf) -> Any:
    """Return a value as a type that the leaf allows, where nothing is lost by that; else as it is."""
    if value is None or value in leaf.enum:
        return value
    if isinstance(value, str) and leaf.enum:
        return _choice(value, leaf.enum)
    allowed = (leaf.type, *leaf.other_types)
    if any(_is_of(value, kind) for kind in allowed):
        return value
    changed = (_CHANGES[kind](value) for kind in allowed)
    return next((each for each in changed if each is not None), value)


def _not_checked(why: str) -> tuple[SchemaViolation, ...]:
    return (SchemaViolation(path="", message=NOT_CHECKED + why),)


def _violation(error: ValidationError) -> SchemaViolation:
    return SchemaViolation(path=pointer(error.absolute_path), message=error.message[:MAX_MESSAGE])


def _multiple_of(_validator: Any, step: float, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Judge by the decimals as they are written: as floats, 119.1 is no multiple of 0.01."""
    if isinstance(instance, bool) or not isinstance(instance, int | float):
        return
    if Decimal(str(instance)) % Decimal(str(step)):
        yield ValidationError(f"{instance!r} is not a multiple of {step}")


_Validator: Final = validators.extend(Draft202012Validator, {"multipleOf": _multiple_of})  # type: ignore[no-untyped-call]


def _is_of(value: Any, kind: LeafType) -> bool:
    match kind:
        case LeafType.BOOLEAN:
            return isinstance(value, bool)
        case LeafType.STRING:
            return isinstance(value, str)
        case LeafType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case LeafType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)


def _choice(value: str, choices: tuple[Any, ...]) -> Any:
    """Return the one choice that is written so but for case and space."""
    squashed = _squashed(value)
    found = [choice for choice in choices if isinstance(choice, str) and _squashed(choice) == squashed]
    return found[0] if len(found) == 1 else value


def _squashed(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).casefold()


def _as_number(value: Any) -> float | int | None:
    if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()) is None:
        return None
    exact = Decimal(value.strip())
    if exact == exact.to_integral_value():
        return int(exact)
    found = float(exact)
    return found if Decimal(str(found)) == exact else None


def _as_integer(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    found = _as_number(value)
    return found if isinstance(found, int) else None


def _as_string(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{Decimal(str(value)):f}" if isinstance(value, int | float) else None


def _as_boolean(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(value.strip().casefold()) if isinstance(value, str) else None


_CHANGES: Final[Mapping[LeafType, Callable[[Any], Any]]] = {
    LeafType.NUMBER: _as_number,
    LeafType.INTEGER: _as_integer,
    LeafType.STRING: _as_string,
    LeafType.BOOLEAN: _as_boolean,
}

FORMATS: Final = FormatChecker(formats=())


def _format(*names: str) -> Callable[[Callable[[str], bool]], Callable[[str], bool]]:
    def register(test: Callable[[str], bool]) -> Callable[[str], bool]:
        for name in names:
            FORMATS.checks(name, raises=ValueError)(lambda value: not isinstance(value, str) or test(value))
        return test

    return register


@_format("date")
def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and bool(date.fromisoformat(text))


@_format("date-time")
def _is_moment(text: str) -> bool:
    return datetime.fromisoformat(text.upper()).tzinfo is not None


@_format("time")
def _is_time(text: str) -> bool:
    """Tell a time of day; RFC 3339 wants seconds and a zone, which documents seldom print."""
    return bool(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", text))


@_format("email", "idn-email")
def _is_email(text: str) -> bool:
    return [code.value for code in find_emails(text)] == [text]


@_format("uri", "url")
def _is_uri(text: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:\S", text)) or bool(find_uris(text))


@_format("currency")
def _is_currency(text: str) -> bool:
    return text in CURRENCY_CODES


@_format("iban")
def _is_iban(text: str) -> bool:
    return is_iban(text.replace(" ", ""))


@_format("phone")
def _is_phone(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return digits >= _LEAST_DIGITS_OF_PHONE and _PHONE.fullmatch(text) is not None


@_format("uuid")
def _is_uuid(text: str) -> bool:
    return str(UUID(text)) == text.lower()
