"""Errors about the document, each with a stable code and a message that says what to do next.

    EngineError
     ├─ InputError          the caller can mend it
     │   ├─ UnsupportedFormat   UNSUPPORTED_MEDIA_TYPE
     │   ├─ EmptyDocument       EMPTY_FILE
     │   ├─ CorruptDocument     CORRUPT_DOCUMENT
     │   ├─ NoPages             NO_PAGES
     │   ├─ PasswordRequired    PASSWORD_REQUIRED
     │   ├─ PasswordIncorrect   PASSWORD_INCORRECT
     │   ├─ PageRangeInvalid    PAGE_RANGE_INVALID
     │   ├─ SchemaInvalid       SCHEMA_INVALID
     │   ├─ CorrectionsInvalid  REVIEW_CORRECTIONS_INVALID
     │   ├─ FormRefused         FORM_VALUE_INVALID
     │   │   ├─ FormFieldUnknown    FORM_FIELD_UNKNOWN
     │   │   ├─ FormFieldAmbiguous  FORM_FIELD_AMBIGUOUS
     │   │   └─ FormFieldReadOnly   FORM_FIELD_READ_ONLY
     │   ├─ FormSigned          FORM_SIGNED
     │   └─ FormNotWritable     FORM_NOT_WRITABLE
     ├─ LimitExceeded       a limit of this installation
     │   ├─ PageLimitExceeded   TOO_MANY_PAGES
     │   ├─ PixelLimitExceeded  TOO_MANY_PIXELS
     │   ├─ SideLimitExceeded   IMAGE_SIDE_TOO_LONG
     │   ├─ FormTooLarge        FORM_TOO_LARGE
     │   └─ OutputLimitExceeded OUTPUT_TOO_LARGE
     ├─ ReadingError        the engine could not do its part
     │   ├─ OcrUnavailable      OCR_UNAVAILABLE
     │   ├─ OcrFailed           OCR_FAILED
     │   ├─ PageFailed          PAGE_FAILED
     │   └─ PagesFailed         PAGES_FAILED
     ├─ NoRoom              STORAGE_UNAVAILABLE
     └─ ModelError          a language model was to answer, and did not
         ├─ ModelNotConfigured  MODEL_NOT_CONFIGURED
         ├─ ModelUnavailable    MODEL_UNAVAILABLE
         ├─ ModelTimeout        MODEL_TIMEOUT
         ├─ ModelRejected       MODEL_REJECTED
         ├─ ModelRefused        MODEL_REFUSED
         ├─ ModelReplyInvalid   MODEL_REPLY_INVALID
         └─ ModelLimitReached   MODEL_LIMIT

Messages are public: they never contain text of the document or of an inner exception.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Category(StrEnum):
    """Who can do something about an error."""

    INPUT = "input"
    SOURCE = "source"
    LIMIT = "limit"
    ENGINE = "engine"
    MODEL = "model"
    REVIEW = "review"
    DEADLINE = "deadline"
    INTERNAL = "internal"


class EngineError(Exception):
    """Base of every error about a document. `page` is 1-based, None when no page is to blame."""

    code: ClassVar[str] = "ENGINE_ERROR"
    category: ClassVar[Category] = Category.ENGINE
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, page: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.page = page


class InputError(EngineError):
    """The document or the specification is at fault; sending it again changes nothing."""

    category = Category.INPUT


class UnsupportedFormat(InputError):
    code = "UNSUPPORTED_MEDIA_TYPE"

    def __init__(self, found: str, supported: str) -> None:
        super().__init__(f"This file looks like {found}, which cannot be read. Send one of: {supported}.")


class EmptyDocument(InputError):
    code = "EMPTY_FILE"

    def __init__(self) -> None:
        super().__init__("The file has no bytes. Check the upload and send it again.")


class CorruptDocument(InputError):
    code = "CORRUPT_DOCUMENT"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The file is damaged: {what}. Open it in a viewer, save it anew and send that copy."
        )


class NoPages(InputError):
    code = "NO_PAGES"

    def __init__(self) -> None:
        super().__init__("The document has no pages. Check that the right file was sent.")


class PasswordRequired(InputError):
    code = "PASSWORD_REQUIRED"

    def __init__(self) -> None:
        super().__init__("The document is encrypted. Send its password in options.password.")


class PasswordIncorrect(InputError):
    code = "PASSWORD_INCORRECT"

    def __init__(self) -> None:
        super().__init__("options.password does not open the document. Check it and send it again.")


class PageRangeInvalid(InputError):
    code = "PAGE_RANGE_INVALID"

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"options.pages: '{part}' {reason}.")


class SchemaInvalid(InputError):
    """`path` is a JSON Pointer into the schema, `reason` what is wrong there and what to do."""

    code = "SCHEMA_INVALID"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"schema{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a correction: the path of the field that it names, and why."""

    path: str
    message: str


class CorrectionsInvalid(InputError):
    """Corrections of a review that cannot be applied; none of them was."""

    code = "REVIEW_CORRECTIONS_INVALID"
    category = Category.REVIEW

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("Some corrections cannot be applied. See errors, change them and send all again.")
        self.faults = tuple(faults)


class FormRefused(InputError):
    """Values of a form that cannot be filled in; nothing was written. `name` is the caller's own."""

    code = "FORM_VALUE_INVALID"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"values['{name[:200]}']: {reason}.")
        self.name = name


class FormFieldUnknown(FormRefused):
    code = "FORM_FIELD_UNKNOWN"

    def __init__(self, name: str) -> None:
        super().__init__(name, "no field has this name or label; the action 'detect' tells those there are")


class FormFieldAmbiguous(FormRefused):
    code = "FORM_FIELD_AMBIGUOUS"

    def __init__(self, name: str) -> None:
        super().__init__(name, "several fields have this label; use the name of one")


class FormFieldReadOnly(FormRefused):
    code = "FORM_FIELD_READ_ONLY"

    def __init__(self, name: str) -> None:
        super().__init__(name, "the field is read-only; set allow_read_only to change it all the same")


class FormSigned(InputError):
    code = "FORM_SIGNED"

    def __init__(self) -> None:
        super().__init__(
            "The document is signed, and a change would break its signatures. "
            "Set allow_signed to write a changed copy all the same."
        )


class FormNotWritable(InputError):
    """There is no PDF with fields to write into; `reason` says why."""

    code = "FORM_NOT_WRITABLE"

    def __init__(self, reason: str) -> None:
        super().__init__(f"This document cannot be filled in: {reason}.")


class LimitExceeded(EngineError):
    """A limit of this installation was passed; the message names the limit and the value."""

    category = Category.LIMIT


class PageLimitExceeded(LimitExceeded):
    code = "TOO_MANY_PAGES"

    def __init__(self, *, limit: int, pages: int) -> None:
        super().__init__(
            f"{pages} pages were asked for and the limit is {limit}. "
            "Ask for fewer with options.pages, or split the document."
        )


class PixelLimitExceeded(LimitExceeded):
    code = "TOO_MANY_PIXELS"

    def __init__(self, *, limit: int, pixels: int, page: int | None = None) -> None:
        super().__init__(
            f"The image has {pixels} pixels and the limit is {limit}. Send it at a lower resolution.",
            page=page,
        )


class SideLimitExceeded(LimitExceeded):
    code = "IMAGE_SIDE_TOO_LONG"

    def __init__(self, *, limit: int, pixels: int, page: int | None = None) -> None:
        super().__init__(
            f"The image has {pixels} pixels on its longer side and the limit is {limit}. "
            "Send it at a lower resolution, or in parts.",
            page=page,
        )


class FormTooLarge(LimitExceeded):
    code = "FORM_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The form has more than {limit} places to write. Send its pages in parts.")


class OutputLimitExceeded(LimitExceeded):
    code = "OUTPUT_TOO_LARGE"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"The output would pass {limit} bytes. Ask for fewer pages with options.pages.")


class ReadingError(EngineError):
    """The engine could not do its part on an acceptable document."""


class OcrUnavailable(ReadingError):
    code = "OCR_UNAVAILABLE"

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(f"The OCR engine '{engine}' cannot be used here: {reason}.")


class NoRoom(EngineError):
    """The disk of this machine is full: nothing that a page or its reader could do about."""

    code = "STORAGE_UNAVAILABLE"
    category = Category.INTERNAL
    retryable = True
    errnos: ClassVar = frozenset({errno.ENOSPC, errno.EDQUOT})

    def __init__(self) -> None:
        super().__init__("There was no room on the worker's disk. Try again later.")


class OcrFailed(ReadingError):
    code = "OCR_FAILED"
    retryable = True

    def __init__(self, engine: str, reason: str, *, page: int | None = None) -> None:
        super().__init__(f"The OCR engine '{engine}' failed: {reason}.", page=page)


class PageFailed(ReadingError):
    code = "PAGE_FAILED"

    def __init__(self, reason: str, *, page: int) -> None:
        super().__init__(f"Page {page} could not be read: {reason}.", page=page)


class PagesFailed(ReadingError):
    """`pages` are the 1-based numbers of the pages that could not be read, `reason` of the first why."""

    code = "PAGES_FAILED"
    retryable = True

    def __init__(self, pages: list[int], reason: str = "") -> None:
        listed = ", ".join(str(page) for page in pages[:20])
        more = f" and {len(pages) - 20} more" if len(pages) > 20 else ""
        super().__init__(
            f"Pages {listed}{more} could not be read. {reason}".rstrip()
            + " Submit the job again to read only those anew, "
            "or set options.allow_partial to take the others.",
            page=pages[0] if pages else None,
        )
        self.pages = pages


class ModelError(EngineError):
    """A language model was to answer, and did not. Said only where the caller asked for one by name."""

    code = "MODEL_UNAVAILABLE"
    category = Category.MODEL
    reason: ClassVar[str] = "The language model could not be reached, or had no room for the request."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or f"{self.reason} Try again, or set options.model to none.")


class ModelNotConfigured(ModelError):
    code = "MODEL_NOT_CONFIGURED"
    reason = "This needs a language model, and the installation has none of that name."


class ModelUnavailable(ModelError):
    retryable = True


class ModelTimeout(ModelError):
    code = "MODEL_TIMEOUT"
    retryable = True
    reason = "The language model did not answer in time."


class ModelRejected(ModelError):
    code = "MODEL_REJECTED"
    reason = "The language model's server rejects our requests, which its operator has to mend."


class ModelRefused(ModelError):
    code = "MODEL_REFUSED"
    reason = "The language model refused to answer."


class ModelReplyInvalid(ModelError):
    code = "MODEL_REPLY_INVALID"
    reason = "What the language model answered does not fit the schema, on the second try either."


class ModelLimitReached(ModelError):
    code = "MODEL_LIMIT"
    reason = "The document or the schema is too large for what one job may ask the language model."


MODEL_ERRORS: Mapping[str, type[ModelError]] = {
    each.code: each
    for each in (
        ModelNotConfigured,
        ModelUnavailable,
        ModelTimeout,
        ModelRejected,
        ModelRefused,
        ModelReplyInvalid,
        ModelLimitReached,
    )
}


def model_error(code: str) -> ModelError:
    """Return the error of a code; one that nobody knows is of a model that is not there."""
    return MODEL_ERRORS.get(code, ModelUnavailable)()
