"""Fields of forms are told, filled so that every viewer shows it, and cleared; signatures are not broken."""

from __future__ import annotations

from typing import Any

import pymupdf
import pytest

from affidavit.engine.errors import (
    FormFieldAmbiguous,
    FormFieldReadOnly,
    FormFieldUnknown,
    FormNotWritable,
    FormRefused,
    FormSigned,
    FormTooLarge,
)
from affidavit.engine.operations import forms
from affidavit.engine.operations.forms import acroform
from affidavit.engine.operations.port import Context, Finished
from affidavit.engine.operations.shapes.forms import (
    FieldSource,
    FieldType,
    FormField,
    FormsOutcome,
    FormsParameters,
)
from affidavit.engine.result import Document
from affidavit.engine.source import Source
from affidavit.engine.spec import OcrMode, OcrOptions, Operation, Options, Spec
from tests.documents import encoded, raster, text_pdf
from tests.engine.forms import LISTED, MULTILINE, TEXT, flat_pdf, form_pdf, signed_pdf
from tests.engine.reading import read_bytes

VALUES = {
    "Full name": "Zoë Müller",
    "remarks": "First line\nand a second one that is too long to stand on one line of the box",
    "I agree to the terms": True,
    "country": "France",
    "Colour": "green",
    "delivery": "hand",
}


def run(data: bytes, password: str | None = None, **parameters: Any) -> Finished:
    options = Options(ocr=OcrOptions(mode=OcrMode.NEVER), password=password)
    spec = Spec(operation=Operation.FORMS, options=options, page_images=False)
    document: Document = read_bytes(data, spec).document
    return forms.run(Context(document, spec, Source(data)), FormsParameters.model_validate(parameters), ())


def told(finished: Finished) -> dict[str, FormField]:
    assert isinstance(finished.outcome, FormsOutcome)
    return {field.name: field for field in finished.outcome.fields}


def filled(data: bytes, values: dict[str, Any], **parameters: Any) -> pymupdf.Document:
    (artifact,) = run(data, action="fill", values=values, **parameters).artifacts
    return pymupdf.open(stream=artifact.data, filetype="pdf")


def ink(pdf: pymupdf.Document, box: tuple[float, float, float, float]) -> int:
    """Count the dark pixels of what a viewer shows in a box."""
    pixmap = pdf[0].get_pixmap(dpi=100, clip=pymupdf.Rect(box), colorspace=pymupdf.csGRAY)
    return sum(value < 128 for value in pixmap.samples)


def test_every_field_is_told_with_its_type_choices_and_the_label_beside_it() -> None:
    fields = told(run(form_pdf()))

    assert {name: (field.type, field.label) for name, field in fields.items()} == {
        "person.name": (FieldType.TEXT, "Full name"),
        "remarks": (FieldType.TEXT, "Remarks"),
        "terms": (FieldType.CHECKBOX, "I agree to the terms"),
        "country": (FieldType.COMBO, "Country"),
        "colour": (FieldType.LIST, "Colour"),
        "delivery": (FieldType.RADIO, "Delivery"),
    }
    assert [(each.value, each.label) for each in fields["country"].choices] == [
        ("at", "Austria"),
        ("fr", "France"),
    ]
    assert [(each.value, each.label) for each in fields["delivery"].choices] == [
        ("post", "by post"),
        ("hand", "by hand"),
    ]
    assert fields["remarks"].multiline
    assert fields["person.name"].citations[0].quote == "Full name:"


def test_values_by_name_or_label_are_stored_and_told() -> None:
    finished = run(form_pdf(), action="fill", values=VALUES)
    fields = told(finished)

    assert {name: field.value for name, field in fields.items()} == {
        "person.name": VALUES["Full name"],
        "remarks": VALUES["remarks"],
        "terms": True,
        "country": "fr",
        "colour": "green",
        "delivery": "hand",
    }
    stored = told(run(finished.artifacts[0].data))
    assert {name: field.value for name, field in stored.items()} == {
        name: field.value for name, field in fields.items()
    }


def test_what_was_filled_in_is_seen_on_the_page() -> None:
    before = pymupdf.open(stream=form_pdf(), filetype="pdf")
    after = filled(form_pdf(), VALUES)

    for box in (TEXT, MULTILINE, (100, 130, 112, 142), (100, 160, 220, 176), (180, 262, 192, 274)):
        assert ink(after, box) > ink(before, box) + 5, box
    shown = filled(form_pdf(), VALUES, flatten=True)[0].get_text()
    assert "Zoë Müller" in shown
    assert "France" in shown
    assert "and a second one" in shown


def test_letters_beyond_latin_1_are_drawn_inside_their_field() -> None:
    after = filled(form_pdf(), {"person.name": "Łódź Žižek Ωmega"}, flatten=True)
    words = [word for word in after[0].get_text("words") if word[4] in ("Łódź", "Žižek", "Ωmega")]

    assert len(words) == 3
    for x0, y0, x1, y1, *_ in words:
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        assert TEXT[0] <= middle[0] <= TEXT[2]
        assert TEXT[1] <= middle[1] <= TEXT[3]


def test_the_chosen_line_of_a_list_box_is_marked() -> None:
    after = filled(form_pdf(), {"colour": "green"})
    pixmap = after[0].get_pixmap(dpi=72, clip=pymupdf.Rect(LISTED))
    tinted = {
        y
        for y in range(pixmap.height)
        if pixmap.pixel(pixmap.width - 4, y) not in ((255, 255, 255), (0, 0, 0))
    }

    assert tinted
    assert max(tinted) - min(tinted) < 20


def test_a_flattened_form_has_no_fields_and_keeps_its_words() -> None:
    after = filled(form_pdf(), {"person.name": "Ada Bell"}, flatten=True)

    assert not list(after[0].widgets())
    assert "Ada Bell" in after[0].get_text()


@pytest.mark.parametrize(
    ("values", "error", "code"),
    [
        ({"nickname": "x"}, FormFieldUnknown, "FORM_FIELD_UNKNOWN"),
        ({"country": "Mars"}, FormRefused, "FORM_VALUE_INVALID"),
        ({"delivery": "by boat"}, FormRefused, "FORM_VALUE_INVALID"),
        ({"terms": "perhaps"}, FormRefused, "FORM_VALUE_INVALID"),
        ({"person.name": True}, FormRefused, "FORM_VALUE_INVALID"),
        ({"person.name": "two\nlines"}, FormRefused, "FORM_VALUE_INVALID"),
        ({"colour": ["red", "green"]}, FormRefused, "FORM_VALUE_INVALID"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_named(
    values: dict[str, Any], error: type[FormRefused], code: str
) -> None:
    with pytest.raises(error) as refused:
        run(form_pdf(), action="fill", values=values)

    assert refused.value.code == code
    assert next(iter(values)) in refused.value.message


def test_a_text_longer_than_the_field_takes_is_refused() -> None:
    with pytest.raises(FormRefused, match="field takes 5"):
        run(form_pdf(maxlen=5), action="fill", values={"person.name": "Sixsix"})


def test_a_read_only_field_is_changed_only_when_asked_to() -> None:
    data = form_pdf(flags=pymupdf.PDF_FIELD_IS_READ_ONLY)

    with pytest.raises(FormFieldReadOnly):
        run(data, action="fill", values={"person.name": "Ada"})
    allowed = run(data, action="fill", values={"person.name": "Ada"}, allow_read_only=True)
    assert told(allowed)["person.name"].value == "Ada"


def test_two_fields_of_one_label_are_not_guessed_between() -> None:
    with pytest.raises(FormFieldAmbiguous):
        run(form_pdf(twin=True), action="fill", values={"Full name": "Ada"})


def test_clearing_leaves_no_value_in_any_field() -> None:
    full = run(form_pdf(), action="fill", values=VALUES).artifacts[0].data
    cleared = run(full, action="clear")

    assert {field.value for field in told(cleared).values()} == {None, False}
    some = told(run(full, action="clear", fields=["terms"]))
    assert (some["terms"].value, some["person.name"].value) == (False, VALUES["Full name"])


def test_a_signed_document_is_told_and_not_changed_unless_asked_to() -> None:
    data = signed_pdf()
    told_of = run(data).outcome

    assert isinstance(told_of, FormsOutcome)
    assert told_of.is_signed
    with pytest.raises(FormSigned):
        run(data, action="fill", values={"person.name": "Ada"})
    assert run(data, action="fill", values={"person.name": "Ada"}, allow_signed=True).artifacts


def test_scripts_and_xfa_are_told_and_never_run() -> None:
    pdf = pymupdf.open(stream=form_pdf(), filetype="pdf")
    catalog = pdf.pdf_catalog()
    pdf.xref_set_key(
        catalog, "OpenAction", "<</S/JavaScript/JS(this.getField('person.name').value = 'hacked';)>>"
    )
    pdf.xref_set_key(catalog, "AcroForm/XFA", "(<xdp/>)")
    finished = run(pdf.tobytes(), action="fill", values={"country": "at"})
    outcome = finished.outcome

    assert isinstance(outcome, FormsOutcome)
    assert (outcome.has_javascript, outcome.has_xfa) == (True, True)
    assert told(finished)["person.name"].value is None
    after = pymupdf.open(stream=finished.artifacts[0].data, filetype="pdf")
    assert after.xref_get_key(after.pdf_catalog(), "AcroForm/XFA")[0] == "null"


def test_places_to_write_are_found_on_a_page_without_fields_and_filled() -> None:
    fields = told(run(flat_pdf()))

    assert {(field.label, field.type, field.source) for field in fields.values()} == {
        ("Surname", FieldType.TEXT, FieldSource.FLAT),
        ("Member", FieldType.CHECKBOX, FieldSource.FLAT),
        ("Guest", FieldType.CHECKBOX, FieldSource.FLAT),
        ("Date of birth", FieldType.TEXT, FieldSource.FLAT),
    }
    assert [field.value for field in fields.values() if field.label == "Guest"] == [True]
    after = filled(flat_pdf(), {"Surname": "Łukasik", "Date of birth": "1990-01-02", "Member": True})
    assert "Łukasik" in after[0].get_text()
    (word,) = [each for each in after[0].get_text("words") if each[4] == "1990-01-02"]
    assert abs((word[1] + word[3]) / 2 - 176) < 12  # in the row of its label


def test_prose_has_no_places_to_write() -> None:
    prose = "The following applies: goods are sent by post.\n\nSigned in haste, we remain yours."

    assert told(run(text_pdf(prose))) == {}


@pytest.mark.parametrize("turn", [90, 270])
def test_labels_and_boxes_are_on_the_page_as_it_is_displayed(turn: int) -> None:
    pdf = pymupdf.open(stream=form_pdf(), filetype="pdf")
    pdf[0].set_rotation(turn)
    field = told(run(pdf.tobytes()))["person.name"]

    assert field.box[3] - field.box[1] == pytest.approx(TEXT[2] - TEXT[0])


def test_an_image_cannot_be_filled_in() -> None:
    image = encoded(raster(flat_pdf(), dpi=60)[0], "PNG")

    with pytest.raises(FormNotWritable):
        run(image, action="fill", values={"Surname": "x"})


def test_a_document_without_fields_is_told_so_when_it_is_to_be_filled() -> None:
    with pytest.raises(FormNotWritable):
        run(text_pdf("Nothing to fill in here at all."), action="fill", values={"Name": "x"})


def test_an_encrypted_form_is_filled_and_stays_encrypted() -> None:
    pdf = pymupdf.open(stream=form_pdf(), filetype="pdf")
    locked = pdf.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own")
    finished = run(locked, password="open", action="fill", values={"person.name": "Ada"})
    after = pymupdf.open(stream=finished.artifacts[0].data, filetype="pdf")

    assert after.needs_pass
    assert after.authenticate("open")
    assert [each.field_value for each in after[0].widgets() if each.field_name == "person.name"] == ["Ada"]


def test_a_form_with_more_places_than_allowed_is_refused() -> None:
    widgets = acroform.read_entries(pymupdf.open(stream=form_pdf(), filetype="pdf"), most=7)

    assert sum(len(entry.widgets) for entry in widgets) == 7
    with pytest.raises(FormTooLarge):
        acroform.read_entries(pymupdf.open(stream=form_pdf(), filetype="pdf"), most=6)


def test_a_field_tree_that_refers_to_itself_ends() -> None:
    pdf = pymupdf.open(stream=form_pdf(), filetype="pdf")
    widget = next(iter(pdf[0].widgets()))
    pdf.xref_set_key(widget.xref, "Parent", f"{widget.xref} 0 R")

    assert "terms" in told(run(pdf.tobytes()))
