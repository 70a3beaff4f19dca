"""Where a caller says a value stands: the hints `x-labels`, `x-anchor` and `x-page` of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from affidavit.engine.errors import SchemaInvalid

MAX_LABELS = 20  # of one value; a lexicon has about ten in each language
MAX_LABEL_CHARS = 100
MAX_PAGES = 20

LABELS, ANCHOR, PAGE = "x-labels", "x-anchor", "x-page"

_A_TEXT = f"a text of 1 to {MAX_LABEL_CHARS} characters, as it is printed"


@dataclass(frozen=True, slots=True)
class Hints:
    """What a caller knows of the place of a value.

    `labels` are what the document prints beside or above it, `anchor` is a heading or text after which
    it stands, `pages` are its pages from 1, or from -1 for the last.
    """

    labels: tuple[str, ...] = ()
    anchor: str | None = None
    pages: tuple[int, ...] = ()

    def below(self, around: Hints) -> Hints:
        """Return these hints with the place of the object or array around where they name none."""
        return Hints(self.labels, self.anchor or around.anchor, self.pages or around.pages)


def read_hints(part: Mapping[str, Any]) -> Hints:
    """Return the hints of a schema that `check_hints` has seen."""
    page = part.get(PAGE, ())
    return Hints(
        labels=tuple(_listed(part.get(LABELS, ()))),
        anchor=part.get(ANCHOR),
        pages=(page,) if isinstance(page, int) else tuple(page),
    )


def check_hints(part: Mapping[str, Any], at: str) -> None:
    """Raise SchemaInvalid, with the JSON Pointer, for a hint of this schema that cannot be used."""
    if LABELS in part:
        _check_labels(part[LABELS], f"{at}/{LABELS}")
    if ANCHOR in part and not _is_label(part[ANCHOR]):
        raise SchemaInvalid(f"{at}/{ANCHOR}", f"must be {_A_TEXT}")
    if PAGE in part:
        _check_page(part[PAGE], f"{at}/{PAGE}")


def _check_labels(labels: Any, at: str) -> None:
    if not isinstance(labels, str | list):
        raise SchemaInvalid(at, 'must be a list of texts, as in ["Amount due", "Balance"]')
    listed = _listed(labels)
    if len(listed) > MAX_LABELS:
        raise SchemaInvalid(at, f"has more than {MAX_LABELS} labels; keep those that are printed")
    for index, label in enumerate(listed):
        if not _is_label(label):
            raise SchemaInvalid(at if isinstance(labels, str) else f"{at}/{index}", f"must be {_A_TEXT}")


def _check_page(page: Any, at: str) -> None:
    pages = page if isinstance(page, list) else [page]
    if not 1 <= len(pages) <= MAX_PAGES:
        raise SchemaInvalid(at, f"must name 1 to {MAX_PAGES} pages")
    for number in pages:
        if not isinstance(number, int) or isinstance(number, bool) or number == 0:
            raise SchemaInvalid(
                at, "must be a page number from 1, or from -1 for the last page; or a list of such numbers"
            )


def _listed(labels: Any) -> list[Any]:
    return [labels] if isinstance(labels, str) else list(labels)


def _is_label(label: Any) -> bool:
    return isinstance(label, str) and bool(label.strip()) and len(label) <= MAX_LABEL_CHARS
