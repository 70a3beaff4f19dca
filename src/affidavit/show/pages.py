"""Show pages: the image of each, and over it the words that are cited, outlined and linked."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from affidavit.show.cited import Box, Cited, merged
from affidavit.show.exhibit import Exhibit, Picture, PlacedWord, Sheet
from affidavit.show.html import Html, join, shortened, tag
from affidavit.show.verdict import caution

MARGIN: Final = 1 / 400  # of the width of a page, between a word and its outline
MACHINE, REVIEW = "c", "r"  # what ids of citations begin with
SOURCES: Final = {
    "native": "text of the file",
    "ocr": "read by OCR",
    "mixed": "text of the file, and OCR",
    "blank": "blank",
}

Shown = tuple[Cited, str]  # a citation, and what it is the evidence of


@dataclass(frozen=True, slots=True)
class Leaf:
    """A page with what lies on it; without a sheet, nobody knows where."""

    number: int
    sheet: Sheet | None
    words: Mapping[str, PlacedWord]
    cited: Sequence[Shown]


def figures(exhibit: Exhibit, numbers: Sequence[int], shown: Iterable[Shown], total: int) -> Iterator[Html]:
    """Yield a figure for each page, one at a time: images are large."""
    sheets = exhibit.sheets
    cited: dict[int, list[Shown]] = {number: [] for number in numbers}
    for each in shown:
        if each[0].page in cited:
            cited[each[0].page].append(each)
    names = {name for those in cited.values() for each, _ in those for name in each.words}
    words = exhibit.words(numbers, names)
    for number in numbers:
        yield _figure(exhibit, Leaf(number, sheets.get(number), words[number], cited[number]), total)


def _figure(exhibit: Exhibit, leaf: Leaf, total: int) -> Html:
    source = SOURCES.get(leaf.sheet.source, "") if leaf.sheet else ""
    caption = f"Page {leaf.number} of {total}" if total else f"Page {leaf.number}"
    picture = exhibit.picture(leaf.number)
    return tag(
        "figure",
        tag("figcaption", tag("strong", caption), f" · {source}" if source else ""),
        caution(exhibit.report),
        _lacking(picture, leaf),
        _sheet(leaf, picture.data, exhibit.broken) if picture.data or leaf.sheet else "",
        id=f"page-{leaf.number}",
    )


def _sheet(leaf: Leaf, image: bytes | None, broken: Collection[str]) -> Html:
    overlay = _overlay(leaf, leaf.sheet, broken, draws_words=image is None) if leaf.sheet else Html()
    return tag("div", _img(image, leaf) if image else "", overlay, class_="sheet")


def _lacking(picture: Picture, leaf: Leaf) -> Html:
    """Say what of a page cannot be shown, and why."""
    said = []
    if picture.data is None:
        instead = " Its words are drawn where they stand." if leaf.sheet else ""
        said.append(tag("p", f"{picture.lacking}{instead}", class_="bad" if picture.is_bad else None))
    if leaf.sheet is None:
        said.append(tag("p", "Where words stand on this page cannot be shown.", class_="doubt"))
    return join(said)


def _img(image: bytes, leaf: Leaf) -> Html:
    return tag(
        "img",
        src=f"data:image/webp;base64,{base64.b64encode(image).decode()}",
        alt=f"Image of page {leaf.number}",
        width=round(leaf.sheet.width) if leaf.sheet else None,
        height=round(leaf.sheet.height) if leaf.sheet else None,
        decoding="async",
    )


def _overlay(leaf: Leaf, sheet: Sheet, broken: Collection[str], *, draws_words: bool) -> Html:
    # The largest lie below, so that every outline can be pointed at.
    ordered = sorted(leaf.cited, key=lambda each: -_area(each[0].box))
    return tag(
        "svg",
        join(map(_drawn, leaf.words.values())) if draws_words else "",
        *(
            _outline(each, of, leaf, sheet.width * MARGIN, is_broken=each.id in broken)
            for each, of in ordered
        ),
        viewBox=f"0 0 {sheet.width:g} {sheet.height:g}",
        class_="drawn" if draws_words else None,
        role="group",
        aria_label=f"Cited words on page {leaf.number}",
        preserveAspectRatio="none",
    )


def _outline(cited: Cited, of: str, leaf: Leaf, margin: float, *, is_broken: bool) -> Html:
    standing = [leaf.words[word].box for word in cited.words if word in leaf.words]
    boxes = list(merged(standing)) or ([cited.box] if cited.box else [])
    if not boxes:
        return Html()
    said = f"{shortened(of, 200)}: {shortened(cited.quote, 200) or 'a place without words'}"
    return tag(
        "a",
        tag("title", said),
        *(_rect(box, margin) for box in boxes),
        href=f"#{cited.id}",
        id=f"o-{cited.id}",
        aria_label=said,
        data_cited="",
        class_=_kind(cited, leaf, is_broken=is_broken),
    )


def _kind(cited: Cited, leaf: Leaf, *, is_broken: bool) -> str | None:
    if is_broken:
        return "bad"
    if cited.id.startswith(MACHINE) and any(each.id.startswith(REVIEW) for each, _ in leaf.cited):
        return "before"  # most places are cited by both, and once is enough to see
    if not cited.words:
        return "hand"
    return "fuzzy" if cited.match == "fuzzy" else None


def _rect(box: Box, margin: float) -> Html:
    x0, y0, x1, y1 = box
    return tag(
        "rect",
        x=f"{x0 - margin:.2f}",
        y=f"{y0 - margin:.2f}",
        width=f"{x1 - x0 + 2 * margin:.2f}",
        height=f"{y1 - y0 + 2 * margin:.2f}",
        rx=f"{margin:.2f}",
    )


def _drawn(word: PlacedWord) -> Html:
    x0, y0, x1, y1 = word.box
    height = y1 - y0
    if not word.text.strip() or height <= 0 or x1 <= x0:
        return Html()
    return tag(
        "text",
        shortened(word.text, 200),
        x=f"{x0:.2f}",
        y=f"{y1 - height * 0.22:.2f}",
        font_size=f"{height * 0.75:.2f}",
        textLength=f"{x1 - x0:.2f}",
        lengthAdjust="spacingAndGlyphs",
    )


def _area(box: Box | None) -> float:
    return (box[2] - box[0]) * (box[3] - box[1]) if box else 0.0
