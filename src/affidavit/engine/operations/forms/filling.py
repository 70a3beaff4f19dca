"""Write values into the fields of a PDF, each with an appearance that every viewer shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pymupdf

from affidavit.engine.errors import FormFieldReadOnly, FormNotWritable, FormRefused
from affidavit.engine.operations.forms.acroform import EDITABLE, MULTILINE, MULTISELECT, OFF, Entry, Widget
from affidavit.engine.operations.shapes.forms import FieldType, FormValue
from affidavit.engine.stages.values.folding import fold

mupdf: Final[Any] = pymupdf.mupdf

LARGEST_TEXT, SMALLEST_TEXT = 12.0, 4.0  # points, of text whose size the form leaves open
FILLS_HEIGHT = 0.7  # of a field of one line
WIDER = 0.9  # of the room, for letters that are wider than Helvetica's
LINE = 1.25  # of the size, from line to line
DEFAULT_LOOK = "0 g /Helv {size:g} Tf"
KEEP_ENCRYPTION = 0  # PDF_ENCRYPT_KEEP of PyMuPDF, which its types leave out
HIGHLIGHT = b"0.75 0.84 0.95 rg"
LIST_LINE = 1.116  # MuPDF's line of a list box, of the size

_YES = frozenset({"yes", "true", "on", "x", "1", "ja", "oui", "si"})
_NO = frozenset({"no", "false", "off", "", "0", "nein", "non"})


@dataclass(frozen=True, slots=True)
class Setting:
    """A field and what to set it to, checked: text, states of its buttons, or choices."""

    entry: Entry
    value: str | tuple[str, ...]


def checked(entry: Entry, value: FormValue, name: str, *, allow_read_only: bool) -> Setting:
    """Return the value as the field stores it. Raises FormRefused that names the field as the caller did."""
    if entry.is_read_only and not allow_read_only:
        raise FormFieldReadOnly(name)
    match entry.type:
        case FieldType.TEXT:
            return Setting(entry, _text(entry, value, name))
        case FieldType.CHECKBOX | FieldType.RADIO:
            return Setting(entry, _state(entry, value, name))
        case FieldType.COMBO | FieldType.LIST:
            return Setting(entry, _chosen(entry, value, name))
        case FieldType.SIGNATURE | FieldType.BUTTON:
            raise FormRefused(name, f"a field of the type {entry.type.value} holds no value")


def _text(entry: Entry, value: FormValue, name: str) -> str:
    if isinstance(value, bool | tuple):
        raise FormRefused(name, "the field takes text")
    text = "" if value is None else _spelled(value)
    if entry.max_length is not None and len(text) > entry.max_length:
        raise FormRefused(name, f"has {len(text)} characters and the field takes {entry.max_length}")
    if not entry.flags & MULTILINE and ("\n" in text or "\r" in text):
        raise FormRefused(name, "has several lines and the field takes one")
    return text


def _spelled(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _state(entry: Entry, value: FormValue, name: str) -> str:
    states = entry.states
    if (
        value is None
        or value is False
        or (isinstance(value, str) and fold(value) in _NO and value not in states)
    ):
        return OFF
    if isinstance(value, str) and value in states:
        return value
    if entry.type is FieldType.CHECKBOX and len(states) == 1:
        if value is True or value == 1 or (isinstance(value, str) and fold(value) in _YES):
            return states[0]
        raise FormRefused(name, "a check box takes true or false")
    raise FormRefused(
        name, f"is none of the {len(states)} choices of the field; the action 'detect' tells them"
    )


def _chosen(entry: Entry, value: FormValue, name: str) -> tuple[str, ...]:
    if isinstance(value, bool):
        raise FormRefused(name, "the field takes one of its choices")
    wanted = () if value in (None, "") else value if isinstance(value, tuple) else (_spelled(value),)
    several = entry.type is FieldType.LIST and bool(entry.flags & MULTISELECT)
    if len(wanted) > 1 and not several:
        raise FormRefused(name, "the field takes one choice")
    free = entry.type is FieldType.COMBO and bool(entry.flags & EDITABLE)
    by_name = {label: stored for stored, label in reversed(entry.choices)}
    by_name |= {stored: stored for stored, _ in entry.choices}
    for each in wanted:
        if each not in by_name and not free:
            count = len(entry.choices)
            raise FormRefused(
                name, f"is none of the {count} choices of the field; the action 'detect' tells them"
            )
    return tuple(by_name.get(each, each) for each in wanted)


def write(pdf: pymupdf.Document, settings: Sequence[Setting]) -> None:
    """Set the fields. Raises FormNotWritable when the PDF does not let itself be changed."""
    by_xref = {widget.xref: (setting, widget) for setting in settings for widget in setting.entry.widgets}
    for number in sorted({widget.page for _, widget in by_xref.values()}):
        page = pdf.load_page(number - 1)
        for annotation in _annotations(page):
            xref = mupdf.pdf_to_num(mupdf.pdf_annot_obj(annotation))
            if xref in by_xref:
                try:
                    _set(pdf, annotation, *by_xref[xref])
                except (RuntimeError, ValueError, TypeError, mupdf.FzErrorBase) as error:
                    raise FormNotWritable("a field of it is damaged") from error


def _annotations(page: pymupdf.Page) -> Iterator[Any]:
    annotation = mupdf.pdf_first_widget(pymupdf._as_pdf_page(page))  # noqa: SLF001
    while annotation.m_internal:
        yield annotation
        annotation = mupdf.pdf_next_widget(annotation)


def _set(pdf: pymupdf.Document, annotation: Any, setting: Setting, widget: Widget) -> None:
    match setting.entry.type:
        case FieldType.TEXT:
            _set_text(annotation, setting, widget)
        case FieldType.CHECKBOX | FieldType.RADIO:
            _set_state(pdf, annotation, setting, widget)
        case _:
            _set_choice(pdf, annotation, setting, widget)


def _set_text(annotation: Any, setting: Setting, widget: Widget) -> None:
    text = setting.value if isinstance(setting.value, str) else ""
    _settle_size(annotation, setting.entry, widget, text)
    with _drawn_as_lines(annotation, is_needed=not _is_latin(text) and not setting.entry.flags & MULTILINE):
        mupdf.pdf_set_text_field_value(annotation, text)
        mupdf.pdf_update_widget(annotation)


@contextmanager
def _drawn_as_lines(annotation: Any, *, is_needed: bool) -> Iterator[None]:
    """Have MuPDF draw one line as it draws several: beyond Latin-1 it sets a single one below its box."""
    field, flags = mupdf.pdf_annot_obj(annotation), mupdf.pdf_new_name("Ff")
    before = mupdf.pdf_annot_field_flags(annotation)
    if is_needed:
        mupdf.pdf_dict_put_int(field, flags, before | MULTILINE)
    yield
    if is_needed:
        mupdf.pdf_dict_put_int(field, flags, before)


def _is_latin(text: str) -> bool:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _settle_size(annotation: Any, entry: Entry, widget: Widget, text: str) -> None:
    """Give text a size where the form leaves it open: left open, text beyond Latin-1 is drawn at size 0."""
    field = mupdf.pdf_annot_obj(annotation)
    look = mupdf.pdf_dict_get_inheritable(field, mupdf.pdf_new_name("DA"))
    pieces = mupdf.pdf_to_text_string(look).split() if look.m_internal else []
    size = _size(widget, text, is_multiline=bool(entry.flags & MULTILINE))
    if "Tf" not in pieces or pieces.index("Tf") < 2:
        settled = DEFAULT_LOOK.format(size=size)
    else:
        at = pieces.index("Tf") - 1
        if float(pieces[at]) > 0:
            return
        settled = " ".join([*pieces[:at], f"{size:g}", *pieces[at + 1 :]])
    mupdf.pdf_dict_put_text_string(field, mupdf.pdf_new_name("DA"), settled)


def _size(widget: Widget, text: str, *, is_multiline: bool) -> float:
    width, height = widget.box[2] - widget.box[0] - 4, widget.box[3] - widget.box[1] - 2
    width = max(width, 1.0) * (1.0 if _is_latin(text) else WIDER)
    if not is_multiline:
        wide = max(pymupdf.get_text_length(text, fontname="helv", fontsize=1), 0.1)
        return max(SMALLEST_TEXT, min(LARGEST_TEXT, FILLS_HEIGHT * height, width / wide))
    size = LARGEST_TEXT
    while size > SMALLEST_TEXT and _lines(text, width, size) * size * LINE > height:
        size -= 1
    return size


def _lines(text: str, width: float, size: float) -> int:
    lengths = (pymupdf.get_text_length(line, fontname="helv", fontsize=size) for line in text.split("\n"))
    return sum(1 + int(length / width * 1.05) for length in lengths)


def _set_state(pdf: pymupdf.Document, annotation: Any, setting: Setting, widget: Widget) -> None:
    """Set one button of a field, and the value of the field, which is its parent's where it has one."""
    state = widget.on if widget.on is not None and widget.on == setting.value else OFF
    field = mupdf.pdf_annot_obj(annotation)
    mupdf.pdf_dict_put(field, mupdf.pdf_new_name("AS"), mupdf.pdf_new_name(state))
    parent = mupdf.pdf_dict_get(field, mupdf.pdf_new_name("Parent"))
    has_name = mupdf.pdf_dict_get(field, mupdf.pdf_new_name("T")).m_internal
    owner = field if has_name or not parent.m_internal else parent
    mupdf.pdf_dict_put(owner, mupdf.pdf_new_name("V"), mupdf.pdf_new_name(str(setting.value)))
    if state != OFF and pdf.xref_get_key(widget.xref, "AP/N")[0] == "null":
        raise FormNotWritable("a button of it cannot be shown as ticked")


def _set_choice(pdf: pymupdf.Document, annotation: Any, setting: Setting, widget: Widget) -> None:
    """Draw the choice by its label, then store its value; MuPDF itself would draw the value."""
    chosen = setting.value if isinstance(setting.value, tuple) else ()
    labels = dict(setting.entry.choices)
    shown = labels.get(chosen[0], chosen[0]) if chosen else ""
    _settle_size(annotation, setting.entry, widget, shown)
    mupdf.pdf_set_choice_field_value(annotation, shown)
    mupdf.pdf_update_widget(annotation)
    _store_choice(pdf, widget.xref, chosen)
    if setting.entry.type is FieldType.LIST:
        _highlight(
            pdf, widget.xref, [n for n, (stored, _) in enumerate(setting.entry.choices) if stored in chosen]
        )


def _store_choice(pdf: pymupdf.Document, xref: int, chosen: Sequence[str]) -> None:
    owner = xref
    if pdf.xref_get_key(xref, "T")[0] == "null" and pdf.xref_get_key(xref, "Parent")[0] == "xref":
        owner = int(pdf.xref_get_key(xref, "Parent")[1].split()[0])
    pdf.xref_set_key(owner, "I", "null")  # indices of the former choice
    if not chosen:
        pdf.xref_set_key(owner, "V", "null")
        return
    spelled = [pymupdf.get_pdf_str(each) for each in chosen]
    pdf.xref_set_key(owner, "V", spelled[0] if len(spelled) == 1 else f"[{' '.join(spelled)}]")


def _highlight(pdf: pymupdf.Document, xref: int, rows: Iterable[int]) -> None:
    """Mark the chosen lines of a list box in its appearance, which lists all choices from the top."""
    kind, place = pdf.xref_get_key(xref, "AP/N")
    if kind != "xref":
        return
    form = int(place.split()[0])
    drawn = pdf.xref_stream(form)
    offset = next(
        (line for line in drawn.split(b"\n") if line.startswith(b"0 -") and line.endswith(b" Td")), None
    )
    box = [float(each) for each in pdf.xref_get_key(form, "BBox")[1].strip("[]").split()]
    if offset is None or len(box) != 4:
        return
    step = -float(offset.split()[1])
    marks = [
        b"%.2f %.2f %.2f %.2f re f" % (box[0], box[3] - step * (row + 1) - step * 0.2, box[2] - box[0], step)
        for row in rows
    ]
    head, joint, rest = drawn.partition(b"BT")
    pdf.update_stream(form, b"\n".join([head + b"q", HIGHLIGHT, *marks, b"Q"]) + b"\n" + joint + rest)


def flatten(pdf: pymupdf.Document) -> None:
    """Turn the fields into what they show."""
    pdf.bake(annots=False, widgets=True)


def saved(pdf: pymupdf.Document) -> bytes:
    """Return the PDF as a file, encrypted as it was."""
    return bytes(pdf.tobytes(garbage=1, deflate=True, encryption=KEEP_ENCRYPTION))


def cleared(entries: Iterable[Entry]) -> list[Setting]:
    """Return the settings that leave fields without a value."""
    empty: Mapping[FieldType, str | tuple[str, ...]] = {
        FieldType.TEXT: "",
        FieldType.CHECKBOX: OFF,
        FieldType.RADIO: OFF,
        FieldType.COMBO: (),
        FieldType.LIST: (),
    }
    return [Setting(entry, empty[entry.type]) for entry in entries if entry.type in empty]
