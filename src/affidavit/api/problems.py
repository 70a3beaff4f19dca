"""The one table of error codes: what each means, and the HTTP status that it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TYPE_PREFIX: Final = "urn:affidavit:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means. Status None: only ever in the `error` of a job, never of a response."""

    status: int | None
    title: str
    remedy: str


_REQUEST: Final[Mapping[str, Kind]] = {
    "JSON_INVALID": Kind(400, "Malformed JSON", "Mend the JSON; the message says where it breaks."),
    "HTTP_INVALID": Kind(400, "Malformed HTTP", "Send HTTP/1.1 as RFC 9112 says."),
    "HEAD_TOO_LARGE": Kind(431, "Head too large", "Send fewer or shorter headers."),
    "MULTIPART_INVALID": Kind(400, "Malformed multipart body", "Send multipart/form-data as RFC 7578 says."),
    "UNAUTHENTICATED": Kind(
        401, "No valid API key", "Send a key that exists and is neither revoked nor expired."
    ),
    "FORBIDDEN": Kind(403, "Scope missing", "Use a key that has the scope that the message names."),
    "NOT_FOUND": Kind(404, "Not found", "Check the path, the id and the key's environment."),
    "METHOD_NOT_ALLOWED": Kind(405, "Method not allowed", "Use a method of the Allow header."),
    "REQUEST_TIMEOUT": Kind(408, "Request too slow", "Send it faster, or in a smaller request."),
    "REQUEST_TOO_LARGE": Kind(413, "Request too large", "Send less; large documents as multipart or by URL."),
    "FILE_TOO_LARGE": Kind(413, "File too large", "Send a smaller file, or split it."),
    "CONTENT_TYPE_UNSUPPORTED": Kind(
        415, "Content-Type unsupported", "Send the Content-Type that is asked for."
    ),
    "RANGE_NOT_SATISFIABLE": Kind(416, "Range outside of the file", "Ask for bytes that there are."),
    "REQUEST_INVALID": Kind(422, "Invalid request", "Mend the fields that errors[] points at."),
    "IDEMPOTENCY_KEY_INVALID": Kind(422, "Invalid Idempotency-Key", "Use 1 to 255 visible ASCII characters."),
    "LAST_EVENT_ID_INVALID": Kind(
        422, "Invalid Last-Event-ID", "Send the id of an event of this job, or none to start anew."
    ),
    "CURSOR_INVALID": Kind(422, "Invalid cursor", "Start again without a cursor."),
    "SOURCE_MISSING": Kind(
        422, "No source", "Give exactly one source: a file, URL, file_id, base64 or text."
    ),
    "SOURCE_AMBIGUOUS": Kind(422, "More than one source", "Give exactly one source."),
    "TEMPLATE_AND_SCHEMA": Kind(422, "Template and schema", "Give a template or a schema, not both."),
    "BASE64_INVALID": Kind(422, "Invalid base64", "Encode the file in standard base64, with padding."),
    "WEBHOOK_URL_INVALID": Kind(
        422, "Invalid webhook URL", "Give an absolute https URL on port 443, 80 or 8443, without credentials."
    ),
    "WEBHOOK_ADDRESS_FORBIDDEN": Kind(
        422, "Webhook address not allowed", "Use a public address, or have the operator allow the network."
    ),
    "WEBHOOK_SECRET_INVALID": Kind(
        422, "Invalid webhook secret", "Give whsec_ and the base64 of 24 to 64 random bytes, or none."
    ),
    "SERVICE_ERROR": Kind(500, "Refused", "Report it with the request_id."),
    "RATE_LIMITED": Kind(429, "Too many requests", "Wait for Retry-After; poll as retry_after_ms says."),
    "QUEUE_FULL": Kind(429, "Your queue is full", "Submit again after Retry-After, when some jobs are done."),
    "TOO_MANY_STREAMS": Kind(429, "Too many event streams", "Close one, or poll the job instead."),
    "OVERLOADED": Kind(503, "Overloaded", "Try again after Retry-After."),
    "INTERNAL_ERROR": Kind(500, "Internal error", "Try again; report it with the request_id if it stays."),
    "UNAVAILABLE": Kind(503, "Temporarily unavailable", "Try again after Retry-After."),
    "STORAGE_FULL": Kind(503, "Storage full", "Try again after Retry-After; the operator has to make room."),
    "STORED_BYTES_DAMAGED": Kind(
        500, "Stored bytes damaged", "Submit the document again; report the request_id."
    ),
    "NOT_READY": Kind(503, "Not ready", "Wait until the parts that are named are up."),
}

_STATE: Final[Mapping[str, Kind]] = {
    "CONFLICT": Kind(409, "Conflict", "Look at the resource's state and decide anew."),
    "IDEMPOTENCY_IN_PROGRESS": Kind(409, "First request in progress", "Send it again after Retry-After."),
    "IDEMPOTENCY_KEY_REUSED": Kind(422, "Idempotency-Key reused", "Use a new key for a new request."),
    "IDEMPOTENCY_KEY_EXPIRED": Kind(410, "Idempotency-Key expired", "Use a new key."),
    "FILE_IN_USE": Kind(409, "File in use", "Cancel the job that uses it, or wait for its end."),
    "FILE_DELETED": Kind(410, "File deleted", "Upload it again."),
    "NOT_RENDERED": Kind(409, "Page not rendered", "Parse the file first."),
    "JOB_FINISHED": Kind(409, "Job has ended", "Nothing is left to cancel."),
    "JOB_NOT_FINISHED": Kind(409, "Job has not ended", "Wait for its end, or cancel it first."),
    "JOB_COMPLETED": Kind(409, "Nothing to do again", "Submit it anew to have it read differently."),
    "RESULT_NOT_READY": Kind(409, "Result not ready", "Ask again after Retry-After, or wait with ?wait=."),
    "REVIEW_REQUIRED": Kind(409, "Review required", "Review the job; then read the result."),
    "REVIEW_NOT_PENDING": Kind(409, "No review pending", "Look at the job; nothing waits for a decision."),
    "REVIEW_CHANGED": Kind(409, "Review changed since", "Get it and decide anew."),
    "JOB_FAILED": Kind(409, "Job failed", "The member job_error says why and what to do."),
    "JOB_CANCELED": Kind(409, "Job canceled", "Submit it again."),
    "BATCH_HAS_NO_RESULT": Kind(409, "A batch has no result", "List its jobs with parent_id; read theirs."),
    "LEGAL_HOLD": Kind(409, "Under legal hold", "Have the hold lifted first."),
    "RESULT_DELETED": Kind(410, "Result deleted", "Submit the document again."),
    "RESULT_EXPIRED": Kind(410, "Result expired", "Submit the job again."),
    "SOURCE_GONE": Kind(410, "Document no longer stored", "Submit the document again."),
    "BUNDLE_DELETED": Kind(410, "Bundle deleted", "Its signed tombstone is at /v1/bundles/{id}/tombstone."),
    "BUNDLE_NOT_LOGGED": Kind(409, "Bundle not in the log yet", "Ask again after Retry-After."),
    "BUNDLE_NOT_DELETED": Kind(409, "Bundle not deleted", "Only a deleted bundle has a tombstone."),
    "BUNDLE_HAS_NO_PARENT": Kind(409, "No earlier bundle", "Name the other bundle with against=."),
    "BUNDLES_UNRELATED": Kind(409, "Bundles of different chains", "Compare bundles that follow each other."),
    "WEBHOOK_DISABLED": Kind(409, "Endpoint disabled", "Enable the endpoint first."),
    "WEBHOOK_LIMIT": Kind(409, "Too many endpoints", "Delete an endpoint, or have the limit raised."),
    "WEBHOOK_SECRET_SHOWN": Kind(409, "Secret was shown before", "Rotate it to get a new one."),
    "TEMPLATE_EXISTS": Kind(409, "Template exists", "Change it with PUT, or use another name."),
    "TEMPLATE_CHANGED": Kind(409, "Template changed since", "Get it and decide anew."),
    "TEMPLATE_IS_STARTER": Kind(409, "Starter template", "Make your own of that name with POST."),
    "TEMPLATE_LIMIT": Kind(409, "Too many templates", "Delete a template first."),
    "GONE": Kind(410, "Gone", "It was there and was removed."),
}

# About the document or its source: at the door with the status, later as the error of a job.
_DOCUMENT: Final[Mapping[str, Kind]] = {
    "EMPTY_FILE": Kind(422, "Empty file", "Check the upload and send it again."),
    "UNSUPPORTED_MEDIA_TYPE": Kind(415, "Unsupported file", "Send one of the types of /v1/capabilities."),
    "SCHEMA_INVALID": Kind(422, "Invalid JSON Schema", "Mend the schema where errors[] points."),
    "REVIEW_CORRECTIONS_INVALID": Kind(422, "Corrections do not fit", "Mend those that errors[] names."),
    "PAGE_RANGE_INVALID": Kind(
        422, "Invalid page range", "Ask for pages that the document has, as in 1-3,7."
    ),
    "SOURCE_URL_INVALID": Kind(422, "Invalid URL", "Give an absolute https URL without credentials."),
    "SOURCE_ADDRESS_FORBIDDEN": Kind(422, "Address not allowed", "Use a public address, or upload the file."),
    "MODEL_NOT_CONFIGURED": Kind(
        422, "No such language model", "Use a model of /v1/capabilities, auto or none; or set one up."
    ),
}

_JOB: Final[Mapping[str, Kind]] = {
    "CORRUPT_DOCUMENT": Kind(None, "Damaged document", "Open it in a viewer, save it anew, send that copy."),
    "NO_PAGES": Kind(None, "No pages", "Check that the right file was sent."),
    "PASSWORD_REQUIRED": Kind(None, "Password required", "Send it in options.password."),
    "PASSWORD_INCORRECT": Kind(None, "Wrong password", "Check options.password."),
    "TOO_MANY_PAGES": Kind(
        None, "Too many pages", "Ask for fewer with options.pages, or split the document."
    ),
    "TOO_MANY_PIXELS": Kind(None, "Image too large", "Send it at a lower resolution."),
    "IMAGE_SIDE_TOO_LONG": Kind(
        None, "Image too long or too wide", "Send it at a lower resolution, or in parts."
    ),
    "OUTPUT_TOO_LARGE": Kind(None, "Output too large", "Ask for fewer pages with options.pages."),
    "FORM_VALUE_INVALID": Kind(None, "Value does not fit the field", "Give one that the field takes."),
    "FORM_FIELD_UNKNOWN": Kind(None, "No such form field", "Use a name that the action detect tells."),
    "FORM_FIELD_AMBIGUOUS": Kind(None, "Several form fields", "Use the field's name, not its label."),
    "FORM_FIELD_READ_ONLY": Kind(None, "Form field is read-only", "Leave it out, or set allow_read_only."),
    "FORM_SIGNED": Kind(None, "Document is signed", "Set allow_signed to change a copy all the same."),
    "FORM_NOT_WRITABLE": Kind(None, "No form to fill in", "Send a PDF whose fields detect tells."),
    "FORM_TOO_LARGE": Kind(None, "Too many form fields", "Send its pages in parts."),
    "OCR_UNAVAILABLE": Kind(None, "OCR engine unavailable", "Choose another of /v1/capabilities."),
    "OCR_FAILED": Kind(None, "OCR failed", "Submit it again."),
    "PAGE_FAILED": Kind(None, "A page failed", "Set options.allow_partial to take the others."),
    "PAGES_FAILED": Kind(
        None, "Pages failed", "Retry the job, which reads only those, or set options.allow_partial."
    ),
    "MODEL_UNAVAILABLE": Kind(
        None, "Language model unavailable", "Retry the job, or set options.model to none."
    ),
    "MODEL_TIMEOUT": Kind(None, "Language model too slow", "Retry the job, or ask for fewer pages."),
    "MODEL_REJECTED": Kind(
        None, "Language model misconfigured", "Tell the operator: its server rejects our requests."
    ),
    "MODEL_REFUSED": Kind(None, "Language model refused", "Set options.model to none, or use another."),
    "MODEL_REPLY_INVALID": Kind(
        None, "Language model's reply invalid", "Use another model, or set options.model to none."
    ),
    "MODEL_LIMIT": Kind(
        None, "Too much for the language model", "Ask for fewer pages, or use a smaller schema."
    ),
    "REVIEW_REJECTED": Kind(None, "Rejected in review", "The job's review says who, when and why."),
    "ENGINE_ERROR": Kind(None, "The engine failed", "Submit it again."),
    "SOURCE_UNREACHABLE": Kind(None, "Source unreachable", "Check the URL, or upload the file."),
    "SOURCE_TIMEOUT": Kind(None, "Source too slow", "Try again later, or upload the file."),
    "SOURCE_STATUS": Kind(None, "Source refused", "Check that the URL opens without signing in."),
    "SOURCE_TOO_LARGE": Kind(None, "Source too large", "Send a smaller file, or split it."),
    "SOURCE_TOO_MANY_REDIRECTS": Kind(None, "Too many redirects", "Give the address of the file itself."),
    "SOURCE_TLS": Kind(None, "No secure connection", "Mend the server's TLS, or upload the file."),
    "SOURCE_UNREADABLE": Kind(None, "Source unreadable", "Upload the file instead."),
    "SOURCE_LOST": Kind(None, "Document lost", "Send the document again."),
    "ENGINE_CRASHED": Kind(None, "The engine crashed", "Submit it again; report it if it stays."),
    "ENGINE_OUT_OF_MEMORY": Kind(None, "Out of memory", "Ask for fewer pages, or lower resolution."),
    "ENGINE_DISK_LIMIT": Kind(None, "Too much written", "Ask for fewer pages."),
    "ENGINE_FILE_LIMIT": Kind(None, "Too many files", "Ask for fewer pages."),
    "ENGINE_PROCESS_LIMIT": Kind(None, "Too many processes", "Submit it again; tell the operator."),
    "ENGINE_STALLED": Kind(None, "No progress", "Submit it again, or ask for fewer pages."),
    "ENGINE_TIMEOUT": Kind(None, "Took too long", "Ask for fewer pages with options.pages."),
    "ENGINE_KILLED": Kind(None, "The engine was stopped", "Submit it again."),
    "ENGINE_HOST_LOST": Kind(None, "The engine's process ended", "Submit it again."),
    "POISON_DOCUMENT": Kind(None, "Document kills workers", "Do not send it again; report it."),
    "DEADLINE_EXCEEDED": Kind(None, "Deadline passed", "Submit it again, or ask for fewer pages."),
    "STORAGE_UNAVAILABLE": Kind(None, "Storage unavailable", "Submit it again later."),
    "INTERNAL": Kind(None, "Internal error", "Submit it again; report it if it stays."),
}

PROBLEMS: Final[Mapping[str, Kind]] = {**_REQUEST, **_STATE, **_DOCUMENT, **_JOB}

RESPONSE_CODES: Final = tuple(sorted(code for code, kind in PROBLEMS.items() if kind.status is not None))
JOB_CODES: Final = tuple(sorted(code for code in {**_DOCUMENT, **_JOB}))


def status_of(code: str) -> int:
    """Return the HTTP status of a code; one that no response may carry is our own fault, 500."""
    kind = PROBLEMS.get(code)
    return kind.status if kind is not None and kind.status is not None else 500
