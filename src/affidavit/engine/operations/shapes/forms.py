"""What reading and filling the fields of a form takes and shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from affidavit.engine.result import BoundingBox, Citation, Value
from affidavit.engine.spec import Frozen

MAX_VALUES = 2000
MAX_NAME = 500
MAX_TEXT = 20_000
MAX_CHOSEN = 200


class FormAction(StrEnum):
    """What to do with the form."""

    DETECT = "detect"  # tell its fields
    FILL = "fill"  # tell them, and write a PDF with `values` in them
    CLEAR = "clear"  # tell them, and write a PDF without values


class FieldType(StrEnum):
    """What a field takes."""

    TEXT = "text"
    CHECKBOX = "checkbox"
    RADIO = "radio"
    COMBO = "combo"
    LIST = "list"
    SIGNATURE = "signature"
    BUTTON = "button"


class FieldSource(StrEnum):
    """How a field is known: the file says so, or the page looks so."""

    ACROFORM = "acroform"
    FLAT = "flat"


FieldName = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
FormValue = StrictBool | int | float | Text | Annotated[tuple[Text, ...], Field(max_length=MAX_CHOSEN)] | None


class FormsParameters(Frozen):
    """What to do with a form's fields.

    `values` are by name of the field, by the last part of its name, or by the label beside it. A check box
    takes true or false; a radio group, combo box or list box one of its choices; null clears a field.
    """

    action: FormAction = FormAction.DETECT
    values: Annotated[dict[FieldName, FormValue], Field(max_length=MAX_VALUES)] = Field(default_factory=dict)
    fields: Annotated[
        tuple[FieldName, ...],
        Field(
            max_length=MAX_VALUES,
            description="Which fields to clear; none named: all that are not read-only.",
        ),
    ] = ()
    flat: Annotated[
        bool,
        Field(description="Whether to look for places to write on pages that have no fields of their own."),
    ] = True
    flatten: Annotated[
        bool,
        Field(description="Whether the written PDF shows the values as text and has no fields any more."),
    ] = False
    allow_read_only: Annotated[bool, Field(description="Whether read-only fields may be changed.")] = False
    allow_signed: Annotated[
        bool, Field(description="Whether a signed document may be changed, which breaks its signatures.")
    ] = False

    @model_validator(mode="after")
    def _fits_the_action(self) -> Self:
        if self.action is FormAction.FILL and not self.values:
            raise PydanticCustomError("values", "`values` says what to fill in; it is empty")
        if self.action is not FormAction.FILL and self.values:
            raise PydanticCustomError("values", "`values` goes with the action `fill`")
        if self.action is not FormAction.CLEAR and self.fields:
            raise PydanticCustomError("fields", "`fields` goes with the action `clear`")
        return self


class FieldChoice(Value):
    """What a field can be set to: the value that is stored, and what the form shows for it."""

    value: str
    label: str
    page: int | None = None
    box: BoundingBox | None = None


class FormField(Value):
    """A field of a form. `box` is on the page as displayed; of a radio group, around all its buttons.

    `label` is what stands beside it on the page, `citations` are its words; `tooltip` is what the file
    calls it. `max_length` is in characters.
    """

    name: str
    type: FieldType
    source: FieldSource
    value: str | bool | tuple[str, ...] | None = None
    choices: tuple[FieldChoice, ...] = ()
    page: int
    box: BoundingBox
    label: str | None = None
    tooltip: str | None = None
    citations: tuple[Citation, ...] = ()
    required: bool = False
    read_only: bool = False
    multiline: bool = False
    multiple: bool = False
    editable: bool = False
    max_length: int | None = None


class FormsOutcome(Value):
    """The fields of a form as they are after the action, and what was done.

    `artifact` names the PDF that was written. `has_javascript` tells of scripts in the file, which are
    never run: values that they would compute are left as they are. `notes` say what else to know.
    """

    action: FormAction
    fields: tuple[FormField, ...]
    changed: tuple[str, ...] = ()
    artifact: str | None = None
    flattened: bool = False
    is_signed: bool = False
    has_xfa: bool = False
    has_javascript: bool = False
    notes: tuple[str, ...] = ()
