"""Citations: find them in what was extracted, and see whether the words that they cite bear them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affidavit.bundle.chunk import LARGEST, PlacedWord

_MEMBERS = {"page", "box", "words", "range", "quote", "match"}
_NO_PLACE = {"data", "data_schema"}  # what a user shaped may look like a citation
_TOLERANCE = 0.011  # boxes are rounded to hundredths of a page unit
_LONGEST = 200  # of a pointer, in a report
_END = object()
_NO_LETTERS = re.compile(r"[\W_]+")  # what is left are the code points of the categories L and N
# Unicode's White_Space. Python's own takes four control characters more.
_WHITE_SPACE = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_MATCHES = ("exact", "normalized", "fuzzy")


class CitationError(ValueError):
    """A citation does not hold; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation as it was found: `c1`, `c2`, ... in order, and the JSON Pointer to where it stands."""

    id: str
    pointer: str
    value: Mapping[str, Any]

    @property
    def words(self) -> list[str]:
        """Return the ids of the words that it cites, none if a person pointed at a place."""
        words = self.value["words"]
        return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []

    def length(self, words: Mapping[str, PlacedWord], markdown: str) -> int:
        """Return how many characters have to be looked at to check it."""
        span = self.value["range"]
        printed = min(span[1], len(markdown)) - span[0] if _is_numbers(span, 2, {int}) else 0
        return max(0, printed) + sum(len(words[word].text) for word in self.words if word in words)


def find(extraction: Mapping[str, Any], prefix: str = "c") -> Iterator[Citation]:
    """Yield all citations in what was extracted, in the order in which they stand there."""
    n = 0
    for path, value in _objects(extraction):
        if value.keys() == _MEMBERS:
            n += 1
            yield Citation(f"{prefix}{n}", _pointer(path), value)


def check(citation: Citation, words: Mapping[str, PlacedWord], markdown: str) -> bool:
    """Raise `CitationError` unless page, box, quote and range are those of the words that are cited.

    Returns False if it is a citation, but of no words: a person pointed at a place, and nothing can be
    compared.
    """
    page, box, quote, span = _members(citation.value)
    if not citation.value["words"] and span is None:
        return False
    cited = [_word(name, words, page) for name in citation.words]
    if not cited or _squeezed(quote) != _squeezed("".join(word.text for word in cited)):
        raise CitationError("QUOTE_WRONG", "The quote is not what the cited words say.")
    if any(abs(ours - theirs) > _TOLERANCE for ours, theirs in zip(_union(cited), box, strict=True)):
        raise CitationError("BOX_WRONG", "The box is not the one around the cited words.")
    if span is not None:
        _check_range(span, quote, cited, markdown)
    return True


def _objects(extraction: Mapping[str, Any]) -> Iterator[tuple[list[str | int], Mapping[str, Any]]]:
    """Yield every object and the path to it, in the order of the text, however deep and many they are."""
    path: list[str | int] = []
    places = ((key, value) for key, value in extraction.items() if key not in _NO_PLACE)
    levels: list[Iterator[tuple[str | int, Any]]] = [places]
    while levels:
        key, value = next(levels[-1], ("", _END))
        if isinstance(value, dict):
            path.append(key)
            yield path, value
            levels.append(iter(value.items()))
        elif isinstance(value, list):
            path.append(key)
            levels.append(enumerate(value))
        elif value is _END:
            del levels[-1], path[-1:]


def _pointer(path: Sequence[str | int]) -> str:
    pointer = ""
    for key in path:
        pointer += "/" + str(key)[:_LONGEST].replace("~", "~0").replace("/", "~1")
        if len(pointer) > _LONGEST:  # names may be long, and citations many
            return f"{pointer[:_LONGEST]}..."
    return pointer


def _members(value: Mapping[str, Any]) -> tuple[int, list[float], str, tuple[int, int] | None]:
    page, box, quote, span, words = (value[name] for name in ("page", "box", "quote", "range", "words"))
    is_one = (
        type(page) is int
        and isinstance(quote, str)
        and isinstance(words, list)
        and all(isinstance(word, str) for word in words)
        and value["match"] in _MATCHES
        and _is_numbers(box, 4, {int, float})
        and (span is None or _is_numbers(span, 2, {int}))
    )
    if not is_one:
        raise CitationError("CITATION_INVALID", "Its members are not those of a citation.")
    return page, box, quote, None if span is None else (span[0], span[1])


def _is_numbers(values: object, count: int, types: set[type]) -> bool:
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(type(value) in types and abs(value) < LARGEST for value in values)


def _word(name: str, words: Mapping[str, PlacedWord], page: int) -> PlacedWord:
    word = words.get(name)
    if word is None:
        raise CitationError("WORD_UNKNOWN", f"The word {name} stands in no chunk.")
    if word.page != page:
        raise CitationError("PAGE_WRONG", f"The word {name} stands on page {word.page}, not on {page}.")
    return word


def _union(words: list[PlacedWord]) -> tuple[float, float, float, float]:
    boxes = [word.box for word in words]
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def _check_range(span: tuple[int, int], quote: str, cited: list[PlacedWord], markdown: str) -> None:
    start, end = span
    chunks = [word.range for word in cited if word.range is not None]
    if not chunks or not min(each[0] for each in chunks) <= start <= end <= max(each[1] for each in chunks):
        raise CitationError("RANGE_WRONG", "The range is not where the chunks of the cited words are.")
    if _letters(markdown[start:end]) != _letters(quote):
        raise CitationError("RANGE_WRONG", "The quote does not stand at this range of document.md.")


def _squeezed(text: str) -> str:
    return _WHITE_SPACE.sub("", text)


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text)
