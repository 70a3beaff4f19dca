"""JSON as RFC 8785 writes it, of integers only, and reading that accepts no other spelling."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_INTEGER = 2**53 - 1  # beyond, readers that keep numbers as doubles differ
MAX_VALUES = 4_000_000  # what a reader unpacks at a time: each takes up to 100 bytes of memory or so


class JsonError(ValueError):
    """The bytes are not JSON as the format has it; the message says why."""


class JsonTooLarge(JsonError):
    """There may be nothing wrong with it, but unpacking it would take too much memory."""


def canonical(value: object) -> bytes:
    """Return the bytes of a value. Raise `JsonError` for what has no canonical form here, such as floats."""
    try:
        text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (AttributeError, TypeError, ValueError, RecursionError) as unfit:
        raise JsonError("It holds a value that the format does not have.") from unfit


def load(data: bytes, *, floats_as_spelled: bool = False) -> Any:
    """Return the value of JSON: no key twice, no NaN, no half characters, no size or depth beyond reason.

    Half of the time goes into making floats. They can be left as they are spelled, as `bytes`.
    """
    if len(data) > MAX_VALUES and data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES:
        raise JsonTooLarge(f"It holds more than {MAX_VALUES:,} values.")
    try:
        value = (_SPELLED if floats_as_spelled else _DECODER).decode(data.decode())
        if b"\\u" in data:  # may have spelled half a character
            json.dumps(value, ensure_ascii=False, default=bytes.decode).encode()
    except UnicodeError as wrong:
        raise JsonError("It is not UTF-8, or holds half a character.") from wrong
    except RecursionError as wrong:
        raise JsonError("It is nested too deeply.") from wrong
    except ValueError as wrong:
        raise JsonError(str(wrong) if isinstance(wrong, JsonError) else "It is not JSON.") from wrong
    return value


def load_canonical(data: bytes) -> Any:
    """Return the value of canonical JSON, or raise `JsonError` if these are not its canonical bytes."""
    value = load(data)
    if canonical(value) != data:
        raise JsonError("It is not in the canonical form of RFC 8785.")
    return value


def _ordered(value: object) -> object:
    match value:
        case dict():
            return {key: _ordered(value[key]) for key in sorted(value, key=_utf16)}
        case list() | tuple():
            return [_ordered(item) for item in value]
        case None | bool() | str():
            return value
        case int() if abs(value) <= MAX_INTEGER:
            return value
        case _:
            raise JsonError("It holds a number that is not an integer of 53 bits.")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")  # RFC 8785 sorts by UTF-16 code units


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("It names a key twice.")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise JsonError("It holds a number that JSON does not have.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
_SPELLED = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=str.encode)
