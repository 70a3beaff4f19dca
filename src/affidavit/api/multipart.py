"""Read multipart/form-data as it streams: the file goes to its intake, the fields are kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from affidavit.api.errors import MultipartInvalid
from affidavit.documents.intake import Intake
from affidavit.errors import FieldError, RequestInvalid, TooLarge

FILE_FIELD: Final = "file"
MAX_FIELDS: Final = 20  # a submission has eight
MAX_FIELD_BYTES: Final = 1024 * 1024  # of all fields together; the largest schema is far below
MAX_NAME_CHARS: Final = 255
MAX_PARTS: Final = MAX_FIELDS + 1

_PATH = re.compile(r"^.*[/\\]", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(slots=True)
class Form:
    """What came: the text of each field in order, and whether there was a file."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    has_file: bool = False


@dataclass(slots=True)
class _Part:
    """One part while its bytes come in."""

    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    data: bytearray = field(default_factory=bytearray)

    @property
    def is_file(self) -> bool:
        return self.name == FILE_FIELD


async def read_form(content_type: str, stream: AsyncIterator[bytes], intake: Intake) -> Form:
    """Read the form and write the part `file` into the intake.

    Raises MultipartInvalid, RequestInvalid, TooLarge, and what the intake and the stream raise.
    """
    reader = _Reader(_boundary(content_type))
    async for chunk in stream:
        for data in reader.feed(chunk):
            await intake.write(data)
    form = reader.finish()
    intake.filename = reader.filename
    return form


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MultipartInvalid("Content-Type names no boundary")
    return boundary


class _Reader:
    """Turn the parser's callbacks into fields, and into the bytes of the one file."""

    def __init__(self, boundary: bytes) -> None:
        self._form = Form()
        self._part = _Part()
        self._header = ["", ""]
        self._field_bytes = 0
        self._parts = 0
        self._file_data: list[bytes] = []
        self._is_ended = False
        self.filename: str | None = None
        try:
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
        except FormParserError:
            raise MultipartInvalid("the boundary is too long") from None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Parse a chunk and return what of it belongs to the file."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise MultipartInvalid("a part or a boundary is broken") from None
        data, self._file_data = self._file_data, []
        return data

    def finish(self) -> Form:
        if not self._is_ended:
            raise MultipartInvalid("it ends before its last boundary")
        return self._form

    def _callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLarge(f"The form has more than {MAX_FIELDS} fields.")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end].decode("latin-1")

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end].decode("utf-8", "replace")

    def _on_header_end(self) -> None:
        name, value = self._header
        self._part.headers[name.lower()] = value
        self._header = ["", ""]

    def _on_headers_finished(self) -> None:
        options = _disposition(self._part.headers.get("content-disposition", ""))
        self._part.name = options.get("name", "")
        if not self._part.name:
            raise MultipartInvalid("a part has no name in its Content-Disposition")
        if self._part.is_file:
            if self._form.has_file:
                raise _doubled(FILE_FIELD)
            self._form.has_file = True
            self.filename = clean_filename(options.get("filename"))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._file_data.append(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise TooLarge(
                f"The form's fields have more than {MAX_FIELD_BYTES} bytes; only 'file' may be large."
            )
        self._part.data += data[start:end]

    def _on_part_end(self) -> None:
        if self._part.is_file:
            return
        if any(name == self._part.name for name, _ in self._form.fields):
            raise _doubled(self._part.name)
        try:
            text = self._part.data.decode()
        except UnicodeDecodeError:
            raise MultipartInvalid("a field is not UTF-8") from None
        self._form.fields.append((self._part.name, text))

    def _on_end(self) -> None:
        self._is_ended = True


def clean_filename(name: str | None) -> str | None:
    """Return the name without folders and control characters, None when nothing is left."""
    if name is None:
        return None
    return _CONTROLS.sub("", _PATH.sub("", name))[-MAX_NAME_CHARS:].strip() or None


def _disposition(value: str) -> dict[str, str]:
    # The library wants latin-1; names may be UTF-8 (RFC 7578, section 5.1).
    options = parse_options_header(value.encode().decode("latin-1"))[1]
    return {name.decode("latin-1"): text.decode("utf-8", "replace") for name, text in options.items()}


def _doubled(name: str) -> RequestInvalid:
    return RequestInvalid(
        f"The form has the field '{name[:100]}' more than once.",
        errors=[FieldError(f"/{name[:100]}", "is given more than once", "doubled")],
    )
