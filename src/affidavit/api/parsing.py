"""Check JSON, queries and headers against the wire models; say what is wrong, and where."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from affidavit.api.errors import IdempotencyKeyInvalid, JsonInvalid
from affidavit.api.wire import NoQuery
from affidavit.engine.spec import Operation
from affidavit.errors import FieldError, RequestInvalid

Model = TypeVar("Model", bound=BaseModel)

MAX_ERRORS: Final = 50
MAX_INTEGER: Final = 10**308  # what a double can hold; Postgres and other readers follow no further
# Only a body with one of these can hold what the database cannot: most are spared the walk.
_SUSPECT: Final = re.compile(rb"\\u0000|[0-9][eE][+]?[0-9]{3}|NaN|Infinity|[0-9]{200}")
_KEY: Final = re.compile(r'(?:"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))\Z')
_WAIT: Final = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?\Z", re.IGNORECASE)
_CODES: Final = {"extra_forbidden": "unknown_field", "missing": "missing"}
_MESSAGES: Final = {"unknown_field": "is not a field of this request", "missing": "is missing"}
_TAGS: Final = frozenset(Operation)
_TAGGED: Final = frozenset({"items", "steps"})  # lists whose items say which operation they are of


def parse_json(model: TypeAdapter[Model], body: bytes) -> Model:
    """Check a JSON body. Raises JsonInvalid, and RequestInvalid with every offending field."""
    try:
        parsed = model.validate_json(body, strict=True)
    except ValidationError as error:
        raise _refusal(error) from None
    refuse_doubled(body)
    if _SUSPECT.search(body) is not None:
        _check_storable(parsed)
    return parsed


def refuse_doubled(text: bytes | str) -> None:
    """Refuse JSON that says a member of one object twice: readers differ in which of them counts.

    It was parsed before, so its nesting is bounded. Raises JsonInvalid.
    """
    # Numbers stay text: Python's own limit on their digits is not what this is about.
    json.loads(text, object_pairs_hook=_once_each, parse_int=str, parse_float=str, parse_constant=str)


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) == len(pairs):
        return
    names = [name for name, _ in pairs]
    doubled = next(name for name in names if names.count(name) > 1)
    raise JsonInvalid(f"The member '{doubled[:100]}' is given twice in one object. Give it once.")


def parse_query(request: Request, model: type[Model]) -> Model:
    """Check the query. Raises RequestInvalid: unknown, doubled or wrong parameters."""
    pairs = request.query_params.multi_items() if request.scope["query_string"] else []
    return check_pairs(pairs, model)


def check_pairs(pairs: Sequence[tuple[str, str]], model: type[Model]) -> Model:
    """Check named texts, each given once at most."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise _invalid(
            [FieldError(f"/{escaped(name)}", "is given more than once", "doubled") for name in doubled]
        )
    if bad := [name for pair in pairs for name in pair[:1] if not all(map(is_storable_text, pair))]:
        raise _invalid(
            [FieldError(f"/{escaped(name)}", "has a NUL or broken character", "text") for name in bad]
        )
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise _refusal(error) from None


def refuse_query(request: Request) -> None:
    """Raise RequestInvalid if there are any query parameters."""
    if request.scope["query_string"]:
        parse_query(request, NoQuery)


def parse_idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key, bare or as a structured-field string. Raises IdempotencyKeyInvalid."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    found = _KEY.match(given[0].strip())
    if found is None or len(given) > 1:
        raise IdempotencyKeyInvalid
    return found[1] or found[2]


def parse_prefer(request: Request) -> int | None:
    """Return the seconds of `Prefer: wait=N` (RFC 7240); None without it. What is unknown is ignored."""
    for line in request.headers.getlist("prefer"):
        for preference in line.split(","):
            found = _WAIT.match(preference.partition(";")[0].strip())
            if found is not None:
                return int(found[1])
    return None


def is_storable_text(text: str) -> bool:
    """Tell whether Postgres can store the text: no NUL, no lone surrogate."""
    return "\x00" not in text and (text.isascii() or _encodes(text))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_storable(model: BaseModel) -> None:
    """Refuse what JSON can say and the database cannot hold: NUL, NaN, infinity, endless integers."""
    errors = []
    for pointer, value in _values(model):
        if isinstance(value, str) and "\x00" in value:
            errors.append(FieldError(pointer, "has a NUL character", "text"))
        elif isinstance(value, float) and not math.isfinite(value):
            errors.append(FieldError(pointer, "is not a finite number", "number"))
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            errors.append(FieldError(pointer, "is too large a number", "number"))
    if errors:
        raise _invalid(errors)


def _values(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield every key and value with its pointer; a stack, as nesting is the caller's."""
    waiting: list[tuple[str, Any]] = [("", model)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, BaseModel):
            fields = type(value).model_fields
            value = {fields[name].alias or name: child for name, child in value}
        if isinstance(value, Mapping):
            yield from ((pointer, key) for key in value)
            waiting += [(f"{pointer}/{escaped(str(key))}", child) for key, child in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(f"{pointer}/{index}", child) for index, child in enumerate(value)]
        else:
            yield pointer, value


def _refusal(error: ValidationError) -> RequestInvalid | JsonInvalid:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return JsonInvalid(f"The body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}.")
    return _invalid([_field_error(item) for item in found[:MAX_ERRORS]])


def _invalid(errors: Sequence[FieldError]) -> RequestInvalid:
    named = ", ".join(error.pointer or "/" for error in errors[:5])
    return RequestInvalid(f"The request has {len(errors)} invalid field(s): {named}.", errors=errors)


def _field_error(item: ErrorDetails) -> FieldError:
    code = _CODES.get(item["type"], item["type"])
    message = _MESSAGES.get(code) or item["msg"].removeprefix("Value error, ")
    return FieldError(_pointer(item["loc"]), message, code)


def _pointer(loc: Sequence[int | str]) -> str:
    """Return the JSON Pointer of a pydantic location, without the tags that unions put in."""
    steps = [
        step
        for place, step in enumerate(loc)
        if not (step in _TAGS and place > 1 and loc[place - 2] in _TAGGED) and step != "[key]"
    ]
    return "".join(f"/{escaped(str(step))}" for step in steps)


def escaped(step: str) -> str:
    """Return a step of a JSON Pointer as RFC 6901 spells it."""
    return step.encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
