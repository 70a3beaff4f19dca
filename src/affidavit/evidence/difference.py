"""Say what differs between two extractions, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from affidavit.bundle.canonical import JsonError

MAX_CHANGES: Final = 10_000  # of fields, and of other members
MAX_POINTERS: Final = 64 << 20  # characters: a long name stands in the pointers of all that is below it
# What it cost says nothing of the document, and what a review changed is what is compared.
_NOT_COMPARED: Final = {"usage", "review"}
_MISSING: Final = object()
_PLACE: Final = ("page", "box", "words", "quote")

Json = dict[str, Any]


@dataclass
class _Found:
    """What was found so far, no more of it than `MAX_CHANGES`."""

    changes: list[Json] = field(default_factory=list)
    unchanged: int = 0
    is_truncated: bool = False

    def add(self, change: Json) -> None:
        if len(self.changes) < MAX_CHANGES:
            self.changes.append(change)
        else:
            self.is_truncated = True


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """Return what changed from one extraction to the other.

    `fields` goes by the paths of values: added, removed, changed, or moved when the same value is cited from
    another place. `members` goes by JSON Pointers through all that is no field.
    """
    fields, members = _Found(), _Found()
    _compare_fields(_fields(before), _fields(after), fields)
    hidden = {"fields", *({"data"} if _fields(before) or _fields(after) else ()), *_NOT_COMPARED}
    _compare_members(_without(before, hidden), _without(after, hidden), members)
    return {
        "fields": fields.changes,
        "members": members.changes,
        "unchanged_fields": fields.unchanged,
        "truncated": fields.is_truncated or members.is_truncated,
    }


def _compare_fields(before: Mapping[str, Any], after: Mapping[str, Any], found: _Found) -> None:
    for path in [*before, *(path for path in after if path not in before)]:
        change = _field_change(before.get(path), after.get(path))
        if change is None:
            found.unchanged += 1
        else:
            shown = [None if each is None else _shown(each) for each in (before.get(path), after.get(path))]
            found.add({"path": path, "change": change, "before": shown[0], "after": shown[1]})


def _field_change(before: Any, after: Any) -> str | None:
    if before is None or after is None:
        return "added" if before is None else "removed"
    if not _is_same(_value(before), _value(after)):
        return "changed"
    return None if _places(before) == _places(after) else "moved"


def _compare_members(before: Json, after: Json, found: _Found) -> None:
    ours, theirs = dict(_leaves(before)), dict(_leaves(after))
    for pointer in [*ours, *(pointer for pointer in theirs if pointer not in ours)]:
        old, new = ours.get(pointer, _MISSING), theirs.get(pointer, _MISSING)
        if old is _MISSING or new is _MISSING or not _is_same(old, new):
            change = "added" if old is _MISSING else "removed" if new is _MISSING else "changed"
            shown = [None if each is _MISSING else each for each in (old, new)]
            found.add({"pointer": pointer, "change": change, "before": shown[0], "after": shown[1]})
        else:
            found.unchanged += 1


def _leaves(value: Json) -> Iterator[tuple[str, Any]]:
    """Yield every scalar and every empty container with its JSON Pointer, without recursion.

    Raises JsonError when the pointers together are beyond reason: one long name stands in all below it.
    """
    waiting: list[tuple[str, Any]] = [("", value)]
    spent = 0
    while waiting:
        pointer, here = waiting.pop()
        inner = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        spent += len(pointer) * (len(here) if isinstance(here, dict | list) else 0)
        if spent > MAX_POINTERS:
            raise JsonError("The names of its members are too long to compare.")
        children = [(f"{pointer}/{_escaped(str(key))}", child) for key, child in inner]
        if children:
            waiting.extend(reversed(children))
        elif pointer:
            yield pointer, here


def _fields(extraction: Mapping[str, Any]) -> Mapping[str, Any]:
    found = extraction.get("fields")
    return found if isinstance(found, dict) else {}


def _without(extraction: Mapping[str, Any], hidden: set[str]) -> Json:
    return {name: value for name, value in extraction.items() if name not in hidden}


def _shown(field: Any) -> Json:
    return {"value": _value(field), "citations": _places(field)}


def _value(field: Any) -> Any:
    return field.get("value") if isinstance(field, dict) else field


def _places(field: Any) -> list[Json]:
    cited = field.get("citations") if isinstance(field, dict) else None
    listed = cited if isinstance(cited, list) else []
    return [{name: each.get(name) for name in _PLACE} for each in listed if isinstance(each, dict)]


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: true is not 1, but 1 is 1.0."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
