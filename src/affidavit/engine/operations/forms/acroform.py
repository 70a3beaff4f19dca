"""Read the fields that a PDF says it has (PDF 32000-1, 12.7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import pymupdf

from affidavit.engine.errors import FormTooLarge
from affidavit.engine.operations.forms.label import Labels, spelled
from affidavit.engine.operations.shapes.forms import FieldChoice, FieldSource, FieldType, FormField
from affidavit.engine.result import BoundingBox, Match
from affidavit.engine.stages.fields.citation import cite
from affidavit.engine.stages.fields.view import View, union
from affidavit.engine.stages.ingest import PDF_ERRORS

MOST_WIDGETS = 10_000  # of a file; the longest tax forms have about 3,000
MOST_ON_PAGE = 2_000  # PyMuPDF's time for a page's widgets grows with their square: 5 s for these
MOST_LABELLED = 1_000  # places of one page whose labels are looked for, from its start
MOST_DAMAGED = 300  # widgets of a page that are tried behind a damaged one
WIDGET = 21  # PDF_ANNOT_WIDGET of PyMuPDF, which its types leave out
_DAMAGE = (*PDF_ERRORS, AttributeError, KeyError, IndexError, RecursionError)
LONGEST_VALUE = 100_000  # characters that are told of a value
OFF = "Off"

READ_ONLY, REQUIRED = 1, 2  # field flags, PDF 32000-1 tables 221, 228 and 230
MULTILINE = 1 << 12
EDITABLE = 1 << 18
MULTISELECT = 1 << 21

# PDF_WIDGET_TYPE_... of PyMuPDF, which its types leave out.
_TYPES = {
    1: FieldType.BUTTON,
    2: FieldType.CHECKBOX,
    3: FieldType.COMBO,
    4: FieldType.LIST,
    5: FieldType.RADIO,
    6: FieldType.SIGNATURE,
    7: FieldType.TEXT,
}


@dataclass(frozen=True, slots=True)
class Widget:
    """One place of a field on a page. `on` is the state of a button that is ticked."""

    xref: int
    page: int
    box: BoundingBox
    on: str | None = None
    state: str | None = None


@dataclass(slots=True)
class Entry:
    """A field with all its places, as the file has them."""

    name: str
    type: FieldType
    flags: int
    value: str | tuple[str, ...] | None
    choices: tuple[tuple[str, str], ...]
    max_length: int | None
    tooltip: str | None
    widgets: list[Widget] = field(default_factory=list)

    @property
    def is_read_only(self) -> bool:
        return bool(self.flags & READ_ONLY)

    @property
    def states(self) -> tuple[str, ...]:
        """What a group of buttons can be set to, each once."""
        return tuple(dict.fromkeys(widget.on for widget in self.widgets if widget.on))


def read_entries(pdf: pymupdf.Document, most: int = MOST_WIDGETS) -> list[Entry]:
    """Return the fields of a PDF in the order of its pages. Raises FormTooLarge over `most` places."""
    entries: dict[tuple[str, FieldType], Entry] = {}
    on_page: Counter[int] = Counter()
    for count, (entry, widget) in enumerate(_widgets(pdf)):
        if count >= most:
            raise FormTooLarge(most)
        on_page[widget.page] += 1
        if on_page[widget.page] > MOST_ON_PAGE:
            raise FormTooLarge(MOST_ON_PAGE)
        entries.setdefault((entry.name, entry.type), entry).widgets.append(widget)
    return list(entries.values())


def _widgets(pdf: pymupdf.Document) -> Iterator[tuple[Entry, Widget]]:
    for number in range(pdf.page_count):
        with suppress(*_DAMAGE):  # a page that cannot be loaded has no fields to tell
            page = pdf.load_page(number)
            for widget in _of_page(page):
                kind = _TYPES.get(widget.field_type)
                if kind is not None and widget.field_name:
                    yield _entry(widget, kind), _place(page, widget, kind)


def _of_page(page: pymupdf.Page) -> Iterator[pymupdf.Widget]:
    """Yield a page's widgets; one by one, which takes longer, where a damaged one hides those behind it."""
    seen: set[int] = set()
    try:
        for widget in page.widgets():
            seen.add(widget.xref)
            yield widget
    except _DAMAGE:
        others = [xref for xref, kind, _ in page.annot_xrefs() if kind == WIDGET and xref not in seen]
        for xref in others[:MOST_DAMAGED]:
            with suppress(*_DAMAGE):
                yield page.load_widget(xref)


def _entry(widget: pymupdf.Widget, kind: FieldType) -> Entry:
    return Entry(
        name=str(widget.field_name),
        type=kind,
        flags=widget.field_flags or 0,
        value=_value(widget.field_value),
        choices=tuple(_choices(widget.choice_values)),
        max_length=widget.text_maxlen or None,
        tooltip=(widget.field_label or "").strip() or None,
    )


def _value(value: object) -> str | tuple[str, ...] | None:
    if isinstance(value, list | tuple):
        return tuple(str(each)[:LONGEST_VALUE] for each in value)
    return str(value)[:LONGEST_VALUE] if value not in (None, "") else None


def _choices(values: Sequence[object] | None) -> Iterator[tuple[str, str]]:
    for each in values or ():
        if isinstance(each, list | tuple) and len(each) == 2:
            yield str(each[0]), str(each[1])
        else:
            yield str(each), str(each)


def _place(page: pymupdf.Page, widget: pymupdf.Widget, kind: FieldType) -> Widget:
    rect = pymupdf.Rect(widget.rect) * page.rotation_matrix
    on = state = None
    if kind in (FieldType.CHECKBOX, FieldType.RADIO):
        on = _on_state(page.parent, widget.xref)
        kept = page.parent.xref_get_key(widget.xref, "AS")
        state = _name(kept[1]) if kept[0] == "name" else None
    return Widget(widget.xref, page.number + 1, (rect.x0, rect.y0, rect.x1, rect.y1), on, state)


def _on_state(pdf: pymupdf.Document, xref: int) -> str | None:
    """Return the name of the appearance of a ticked button."""
    for place in ("AP/N", "AP/D"):
        kind, _ = pdf.xref_get_key(xref, place)
        if kind not in ("dict", "xref"):
            continue
        file = pymupdf._as_pdf_document(pdf)  # noqa: SLF001 - states are in no order that pymupdf keeps
        states = pymupdf.mupdf.pdf_dict_getp(pymupdf.mupdf.pdf_new_indirect(file, xref, 0), place)
        for n in range(min(pymupdf.mupdf.pdf_dict_len(states), 8)):
            name: str = pymupdf.mupdf.pdf_to_name(pymupdf.mupdf.pdf_dict_get_key(states, n))
            if name != OFF:
                return name
    return None


def _name(text: str) -> str:
    return text.lstrip("/")


def shown(entries: Sequence[Entry], view: View) -> Iterator[FormField]:
    """Yield the fields as a result shows them, with the labels beside them."""
    boxes: dict[int, list[BoundingBox]] = {}
    for entry in entries:
        for widget in entry.widgets:
            boxes.setdefault(widget.page, []).append(widget.box)
    labels = {page: Labels(view, page, found[:MOST_LABELLED]) for page, found in boxes.items()}
    for entry in entries:
        yield _shown(entry, view, labels)


def _shown(entry: Entry, view: View, labels: dict[int, Labels]) -> FormField:
    first = entry.widgets[0]
    together = [widget.box for widget in entry.widgets if widget.page == first.page]
    is_group = entry.type is FieldType.RADIO or len(entry.states) > 1
    box = union(together) if is_group else first.box
    kind = FieldType.TEXT if is_group else entry.type
    tokens = labels[first.page].beside(box, kind)
    return FormField(
        name=entry.name,
        type=entry.type,
        source=FieldSource.ACROFORM,
        value=value_of(entry),
        choices=tuple(_shown_choices(entry, labels)),
        page=first.page,
        box=box,
        label=spelled(tokens),
        tooltip=entry.tooltip,
        citations=(cite(view, tokens, Match.EXACT),) if tokens else (),
        required=bool(entry.flags & REQUIRED),
        read_only=entry.is_read_only,
        multiline=entry.type is FieldType.TEXT and bool(entry.flags & MULTILINE),
        multiple=entry.type is FieldType.LIST and bool(entry.flags & MULTISELECT),
        editable=entry.type is FieldType.COMBO and bool(entry.flags & EDITABLE),
        max_length=entry.max_length,
    )


def value_of(entry: Entry) -> str | bool | tuple[str, ...] | None:
    """Return a field's value: whether a box is ticked, which button of a group is, or the text."""
    match entry.type:
        case FieldType.CHECKBOX if len(entry.states) <= 1:
            return any(widget.state not in (None, OFF) for widget in entry.widgets)
        case FieldType.CHECKBOX | FieldType.RADIO:
            states = (widget.state for widget in entry.widgets)
            return next((state for state in states if state not in (None, OFF)), None)
        case FieldType.SIGNATURE | FieldType.BUTTON:
            return None
        case _:
            return entry.value


def _shown_choices(entry: Entry, labels: dict[int, Labels]) -> Iterator[FieldChoice]:
    if entry.type is FieldType.RADIO or len(entry.states) > 1:
        for widget in entry.widgets:
            if widget.on:
                beside = spelled(labels[widget.page].beside(widget.box, FieldType.RADIO))
                yield FieldChoice(
                    value=widget.on, label=beside or widget.on, page=widget.page, box=widget.box
                )
        return
    for value, label in islice(entry.choices, 2000):
        yield FieldChoice(value=value, label=label)
