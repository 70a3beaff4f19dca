"""Show what was extracted: fields as cards, everything else as named values, each citation as a link."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from affidavit.bundle.report import Check, Status
from affidavit.show.cited import Cited
from affidavit.show.html import Html, join, shortened, tag

MAX_SHOWN: Final = 5_000  # values on the page: more than anyone looks at, and two megabytes
MAX_TEXT: Final = 2_000  # characters of a value
MAX_QUOTE: Final = 300
MAX_DEPTH: Final = 20
PLACES: Final = frozenset({"box", "range"})  # numbers that the outlines show better
TELLING: Final = frozenset(
    {"answer", "claim", "label", "topic", "verdict"}
)  # members that are looked for first
MATCHES: Final = {
    "exact": "as printed",
    "normalized": "in another spelling",
    "fuzzy": "close to what is printed",
}


class Values:
    """Renders values, and remembers which citations the page has.

    `checks` are those of citations by id. Where the bundle `is_broken`, none is shown as good.
    """

    def __init__(self, checks: Mapping[str, Check], *, is_broken: bool) -> None:
        self.shown: dict[str, tuple[Cited, str]] = {}  # by id: the citation, and what it is the evidence of
        self._checks = checks
        self._is_broken = is_broken
        self._left = MAX_SHOWN

    def fields(self, fields: Mapping[str, Any], corrected: Mapping[str, Any] | None = None) -> Html:
        """Return a card for each field, under headings where names have a part before their last dot."""
        parts: list[Html] = []
        group = ""
        for path, value in fields.items():
            if not isinstance(value, dict) or self._is_spent():
                continue
            before, _, name = path.rpartition(".") if '"' not in path else ("", "", path)
            if before != group and before:
                parts.append(tag("h3", shortened(before, MAX_TEXT)))
            group = before
            was = (corrected or {}).get(path)
            is_corrected = corrected is not None and path in corrected
            parts.append(self._field(path, name or path, value, was, is_corrected=is_corrected))
        return join([*parts, self._rest()])

    def tree(self, value: Any, of: str) -> Html:
        """Return any value, as evidence of what `of` says."""
        return join([self._any(value, of, 0), self._rest()])

    def _field(self, path: str, name: str, field: Mapping[str, Any], was: Any, *, is_corrected: bool) -> Html:
        value, confidence = field.get("value"), field.get("confidence")
        notes = []
        if is_corrected:
            notes.append(tag("p", f"Changed by a person: {_before(was)}.", class_="note"))
        if value is not None and not field.get("citations"):
            notes.append(tag("p", "No place in the document was found for this value.", class_="note doubt"))
        return tag(
            "article",
            tag("h3", shortened(name, MAX_TEXT), title=shortened(path, MAX_TEXT)),
            tag("p", _scalar(value), class_="value" if value is not None else "value nothing", dir="auto"),
            _confidence(confidence) if value is not None else "",
            *notes,
            self._citations(field.get("citations"), path),
            self._alternatives(field.get("alternatives"), path),
            class_="field",
        )

    def _alternatives(self, value: Any, path: str) -> Html:
        others = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
        if not others:
            return Html()
        items = [
            tag(
                "li",
                tag("span", _scalar(each.get("value")), dir="auto"),
                " ",
                _confidence(each.get("confidence")),
                self._citations(each.get("citations"), f"other reading of {path}"),
            )
            for each in others
            if not self._is_spent()
        ]
        label = "1 other reading" if len(others) == 1 else f"{len(others)} other readings"
        return tag("details", tag("summary", label), tag("ul", *items, class_="others"))

    def _citations(self, value: Any, of: str) -> Html:
        found = [each for each in value if isinstance(each, Cited)] if isinstance(value, list) else []
        items = [self._citation(each, of) for each in found if not self._is_spent()]
        return tag("ul", *items, class_="citations") if items else Html()

    def _citation(self, cited: Cited, of: str) -> Html:
        self.shown[cited.id] = (cited, of)
        quote = shortened(cited.quote, MAX_QUOTE) or "a place without words"
        place = f"page {cited.page}"
        how = MATCHES.get(cited.match, cited.match) if cited.words else "placed by hand"
        return tag(
            "li",
            tag("a", "“", tag("bdi", quote), "”", href=f"#o-{cited.id}"),
            tag("small", join([place, " · ", how]), self._verdict(cited)),
            id=cited.id,
            data_cited="",
        )

    def _verdict(self, cited: Cited) -> Html:
        check = self._checks.get(cited.id)
        if check is None:
            return tag("span", " · not checked", class_="doubt")
        if check.status is Status.FAILED:
            said = shortened(check.detail.partition(" /")[0], MAX_TEXT)  # without where it stands in the JSON
            return tag("strong", f" · ✗ does not hold: {said}", class_="bad")
        if check.status is Status.PASSED and self._is_broken:
            return tag("span", " · stands in this broken file")
        if check.status is Status.PASSED:
            return tag("span", " · ✓ found again", class_="good")
        return Html()

    def _any(self, value: Any, of: str, depth: int) -> Html:
        if self._is_spent() or depth > MAX_DEPTH:
            return Html()
        match value:
            case Cited():
                return tag("ul", self._citation(value, of), class_="citations")
            case dict():
                return self._members(value, of, depth)
            case list():
                return self._items(value, of, depth)
            case _:
                return tag("span", _scalar(value), dir="auto", class_="text")

    def _items(self, items: Sequence[Any], of: str, depth: int) -> Html:
        if all(isinstance(each, Cited) for each in items):
            return self._citations(items, of)
        if any(isinstance(each, dict | list) for each in items):
            shown = (tag("li", self._any(each, _title(each, of), depth + 1)) for each in items)
            return tag("ol", *shown, class_="items")
        return tag("span", shortened(", ".join(map(_scalar, items)), MAX_TEXT), dir="auto")

    def _members(self, value: Mapping[str, Any], of: str, depth: int) -> Html:
        title = _title(value, of)
        told = [(key, member) for key, member in value.items() if key not in PLACES and not _is_empty(member)]
        return tag("dl", *(self._member(key, member, title, depth) for key, member in told), class_="members")

    def _member(self, key: str, member: Any, title: str, depth: int) -> Html:
        if key == "fields" and isinstance(member, dict):
            inner = self.fields(member)
        else:
            inner = self._any(member, title, depth + 1)
        is_short = not isinstance(member, dict | Cited) and not _has_parts(member)
        kind = "short telling" if key in TELLING else "short" if is_short else None
        return tag("div", tag("dt", _words(key)), tag("dd", inner), class_=kind)

    def _is_spent(self) -> bool:
        self._left -= 1
        return self._left < 0

    def _rest(self) -> Html:
        if self._left >= 0:
            return Html()
        said = f"Only the first {MAX_SHOWN:,} values are shown here; extraction.json has all."
        return tag("p", said, class_="note doubt")


def _before(was: Any) -> str:
    value = was.get("value") if isinstance(was, dict) else None
    return "the machine had nothing" if value is None else f"the machine had read {_scalar(value)}"


def _title(value: Any, otherwise: str) -> str:
    """Return what a value calls itself: the text of a point, a claim, a question, a name."""
    if isinstance(value, dict):
        for key in ("claim", "question", "text", "title", "label", "name", "topic"):
            if isinstance(value.get(key), str) and value[key]:
                return shortened(value[key], 80)
    return otherwise


def _has_parts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict | list | Cited) for each in value)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _confidence(value: Any) -> Html:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return Html()
    share = int(min(max(value, 0), 100))
    bar = tag(
        "svg",
        tag("rect", width="100", height="8", class_="track"),
        tag("rect", width=share, height="8", class_="share"),
        viewBox="0 0 100 8",
        aria_hidden="true",
        preserveAspectRatio="none",
    )
    return tag("p", bar, f"confidence {share} of 100", class_="confidence")


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str():
            return shortened(value, MAX_TEXT)
        case int() | float():
            return shortened(repr(value), MAX_TEXT)
        case Cited():
            return shortened(value.quote, MAX_TEXT)
        case _:
            return shortened(json.dumps(_plain(value), ensure_ascii=False), MAX_TEXT)


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _plain(member) for key, member in value.items()}
        case Sequence() if not isinstance(value, str):
            return [_plain(member) for member in value]
        case Cited():
            return value.quote
        case _:
            return value


def _words(key: str) -> str:
    """Return a member's name as words: `not_found` becomes `not found`."""
    return shortened(key.replace("_", " "), 200)
