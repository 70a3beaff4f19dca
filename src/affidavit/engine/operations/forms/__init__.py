"""Tell the fields of a form, fill them, or clear them. Scripts of a file are never run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pymupdf

from affidavit.engine.errors import FormNotWritable, FormSigned
from affidavit.engine.operations.forms import filling, writing
from affidavit.engine.operations.forms.acroform import Entry, read_entries, shown
from affidavit.engine.operations.forms.filling import Setting
from affidavit.engine.operations.forms.flat import flat_fields
from affidavit.engine.operations.forms.naming import Names
from affidavit.engine.operations.forms.writing import Writing
from affidavit.engine.operations.port import Artifact, Context, Finished, Replies
from affidavit.engine.operations.shapes.forms import (
    FieldSource,
    FieldType,
    FormAction,
    FormField,
    FormsOutcome,
    FormsParameters,
)
from affidavit.engine.source import Source
from affidavit.engine.stages.fields.view import View
from affidavit.engine.stages.ingest import PDF_ERRORS, PdfFile, open_file

__all__ = ["run"]

ARTIFACT = "form.pdf"
PDF = "application/pdf"
XFA_DROPPED = (
    "The form's XFA copy of the fields was left out: viewers that prefer it would not show the values."
)
XFA_ONLY = "The form is made of XFA alone, which is not read; there are no fields to tell."
COMPUTED = "Scripts of the form were not run: values that they compute were left as they are."


def run(context: Context, parameters: FormsParameters, _replies: Replies) -> Finished:
    """Do what `parameters.action` says. Raises FormRefused, FormSigned, FormNotWritable, FormTooLarge."""
    form = _Form(context, parameters)
    if parameters.action is FormAction.DETECT:
        return Finished(form.outcome(form.fields, changed=(), artifact=None))
    data, changed = form.written()
    after = _Form(Context(context.document, context.spec, Source(data)), parameters)
    outcome = form.outcome(form.after(after), changed=changed, artifact=ARTIFACT)
    return Finished(outcome, (Artifact(ARTIFACT, PDF, data),))


@dataclass
class _Form:
    """A document with its fields, as it was sent."""

    context: Context
    parameters: FormsParameters

    @cached_property
    def pdf(self) -> pymupdf.Document | None:
        """The PDF, None when the document is an image or a text."""
        if self.context.source is None:
            return None
        opened = open_file(self.context.source, self.context.spec)
        return opened.pdf if isinstance(opened, PdfFile) else None

    @cached_property
    def view(self) -> View:
        return View(self.context.document)

    @cached_property
    def entries(self) -> list[Entry]:
        return read_entries(self.pdf) if self.pdf is not None else []

    @cached_property
    def fields(self) -> tuple[FormField, ...]:
        found = list(shown(self.entries, self.view))
        return (*found, *self._flat(found))

    def _flat(self, found: Sequence[FormField]) -> Iterator[FormField]:
        if self.parameters.flat:
            taken = {each.page for each in found}
            yield from flat_fields(self.view, [page for page in self.view.pages if page not in taken])

    @cached_property
    def is_signed(self) -> bool:
        signatures = (entry for entry in self.entries if entry.type is FieldType.SIGNATURE)
        return any(
            self.pdf is not None and self.pdf.xref_get_key(widget.xref, "V")[0] != "null"
            for entry in signatures
            for widget in entry.widgets
        )

    @cached_property
    def has_xfa(self) -> bool:
        return _has(self.pdf, "AcroForm/XFA")

    @cached_property
    def has_javascript(self) -> bool:
        return (
            _has(self.pdf, "Names/JavaScript")
            or _has(self.pdf, "AcroForm/CO")
            or _opens_with_script(self.pdf)
        )

    def written(self) -> tuple[bytes, tuple[str, ...]]:
        """Return the changed PDF, and the names of the fields that were set."""
        pdf = self._writable()
        settings, writings = self._planned()
        if self.has_xfa:
            pdf.xref_set_key(pdf.pdf_catalog(), "AcroForm/XFA", "null")
        filling.write(pdf, settings)
        try:
            writing.write(pdf, writings)
            if self.parameters.flatten:
                filling.flatten(pdf)
            data = filling.saved(pdf)
        except PDF_ERRORS as error:
            raise FormNotWritable("it is damaged") from error
        return data, tuple([each.entry.name for each in settings] + [each.field.name for each in writings])

    def _writable(self) -> pymupdf.Document:
        if self.pdf is None:
            raise FormNotWritable("it is no PDF")
        if not self.fields:
            raise FormNotWritable("no fields or places to write were found in it")
        if self.is_signed and not self.parameters.allow_signed:
            raise FormSigned
        return self.pdf

    def _planned(self) -> tuple[list[Setting], list[Writing]]:
        names = Names(self.fields)
        entries = {entry.name: entry for entry in self.entries}
        if self.parameters.action is FormAction.CLEAR:
            return self._clearing(names, entries), []
        settings: list[Setting] = []
        writings: list[Writing] = []
        for name, value in self.parameters.values.items():
            field = names.field(name)
            if field.source is FieldSource.FLAT:
                writings.append(writing.checked(field, value, name))
            else:
                allowed = self.parameters.allow_read_only
                settings.append(filling.checked(entries[field.name], value, name, allow_read_only=allowed))
        return settings, writings

    def _clearing(self, names: Names, entries: dict[str, Entry]) -> list[Setting]:
        if not self.parameters.fields:
            allowed = self.parameters.allow_read_only
            return filling.cleared(each for each in self.entries if allowed or not each.is_read_only)
        settings = []
        for name in self.parameters.fields:
            field = names.field(name)
            if field.source is FieldSource.FLAT:
                raise FormNotWritable("a place on a page without fields cannot be cleared")
            allowed = self.parameters.allow_read_only
            settings.append(filling.checked(entries[field.name], None, name, allow_read_only=allowed))
        return settings

    def after(self, changed: _Form) -> tuple[FormField, ...]:
        """Return the fields with the values that they have in the changed document."""
        values = {each.name: each.value for each in shown(changed.entries, self.view)}
        written = {name: self.parameters.values[name] for name in self.parameters.values}
        names = Names(self.fields)
        flat = {
            field.name: str(value) if not isinstance(value, bool) else value
            for name, value in written.items()
            if (field := names.field(name)).source is FieldSource.FLAT
        }
        told = {**values, **flat} if not self.parameters.flatten else self._set_values(names)
        return tuple(
            each.model_copy(update={"value": told.get(each.name, each.value)}) for each in self.fields
        )

    def _set_values(self, names: Names) -> dict[str, object]:
        return {names.field(name).name: value for name, value in self.parameters.values.items()}

    def outcome(
        self, fields: tuple[FormField, ...], *, changed: tuple[str, ...], artifact: str | None
    ) -> FormsOutcome:
        return FormsOutcome(
            action=self.parameters.action,
            fields=fields,
            changed=changed,
            artifact=artifact,
            flattened=artifact is not None and self.parameters.flatten,
            is_signed=self.is_signed,
            has_xfa=self.has_xfa,
            has_javascript=self.has_javascript,
            notes=tuple(self._notes(is_written=artifact is not None)),
        )

    def _notes(self, *, is_written: bool) -> Iterator[str]:
        if self.has_xfa and not self.entries:
            yield XFA_ONLY
        elif self.has_xfa and is_written:
            yield XFA_DROPPED
        if self.has_javascript and is_written:
            yield COMPUTED


def _has(pdf: pymupdf.Document | None, key: str) -> bool:
    if pdf is None:
        return False
    try:
        return bool(pdf.xref_get_key(pdf.pdf_catalog(), key)[0] not in ("null", ""))
    except PDF_ERRORS:
        return False


def _opens_with_script(pdf: pymupdf.Document | None) -> bool:
    if pdf is None:
        return False
    try:
        return bool(pdf.xref_get_key(pdf.pdf_catalog(), "OpenAction/S")[1] == "/JavaScript")
    except PDF_ERRORS:
        return False
