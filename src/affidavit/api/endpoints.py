"""Every endpoint of the native API."""

from __future__ import annotations

from typing import Final

from affidavit.accounts.principal import Scope
from affidavit.api import examples
from affidavit.api.bundle_endpoints import ENDPOINTS_OF_BUNDLES
from affidavit.api.custody_endpoints import ENDPOINTS_OF_CUSTODY, PUBLIC_ENDPOINTS
from affidavit.api.endpoint import SUBMITTING, Body, Endpoint, Reply
from affidavit.api.keeping_endpoints import ENDPOINTS_OF_KEEPING
from affidavit.api.log_endpoints import ENDPOINTS_OF_LOG
from affidavit.api.objects import (
    ArtifactList,
    Capabilities,
    FileObject,
    JobList,
    JobObject,
    Liveness,
    Readiness,
)
from affidavit.api.offers import OFFERS, outcome_of
from affidavit.api.operation_wire import ANY_RESULT, BODIES, RESULTS, BatchBody
from affidavit.api.review_endpoints import ENDPOINTS_OF_REVIEWS
from affidavit.api.review_wire import ResultQuery
from affidavit.api.routes import events, files, jobs, operations, system
from affidavit.api.template_endpoints import ENDPOINTS_OF_TEMPLATES
from affidavit.api.webhook_endpoints import ENDPOINTS_OF_WEBHOOKS
from affidavit.api.wire import (
    EventsQuery,
    ExtractBody,
    ListQuery,
    ParseBody,
    RetryBody,
    SubmitQuery,
    WaitQuery,
)
from affidavit.engine.operations import ENTRIES, Entry
from affidavit.engine.result import Result
from affidavit.engine.spec import Operation

_SOURCE_CODES: Final = (
    "SOURCE_MISSING",
    "SOURCE_AMBIGUOUS",
    "SOURCE_URL_INVALID",
    "SOURCE_ADDRESS_FORBIDDEN",
    "BASE64_INVALID",
    "EMPTY_FILE",
    "UNSUPPORTED_MEDIA_TYPE",
    "FILE_TOO_LARGE",
    "STORAGE_FULL",
    "NOT_FOUND",
    "SOURCE_GONE",
    "JOB_NOT_FINISHED",
    "MODEL_NOT_CONFIGURED",
)
_RESULT_CODES: Final = (
    "NOT_FOUND",
    "RESULT_NOT_READY",
    "REVIEW_REQUIRED",
    "JOB_FAILED",
    "JOB_CANCELED",
    "BATCH_HAS_NO_RESULT",
    "RESULT_DELETED",
    "RESULT_EXPIRED",
)
_WEBHOOK_CODES: Final = ("WEBHOOK_URL_INVALID", "WEBHOOK_ADDRESS_FORBIDDEN", "WEBHOOK_SECRET_INVALID")
_SYNC_CODES: Final = ("JOB_FAILED", "JOB_CANCELED", "REVIEW_REQUIRED", "RESULT_EXPIRED", "RESULT_DELETED")


def _submitted(result: type[Result], example: examples.Example) -> tuple[Reply, ...]:
    return (
        Reply(
            202,
            "Accepted: the job. Ask for it at Location, first after Retry-After.",
            JobObject,
            examples.QUEUED_JOB,
            headers=("Location", "Retry-After", "Idempotent-Replayed"),
        ),
        Reply(
            200,
            "The result, of a synchronous call; or the job as it is now, of an asynchronous replay.",
            result,
            example,
            headers=("Location", "Idempotent-Replayed", "ETag"),
        ),
    )


_HOW_TO_SUBMIT: Final = """

Send JSON, or `multipart/form-data` with the document as `file` and the same names as form fields
(lists, objects, numbers and `store` as JSON text).

Asynchronous by default: 202 with the job. With `?sync=true` or `Prefer: wait=N` the call waits, as
long as the installation allows, and answers 200 with the result; if the job takes longer, 202 with
the job. A job that fails while the call waits answers as `/result` does: 409 `JOB_FAILED`, with the
job's own error as `job_error`.

With an `Idempotency-Key` the same request can be sent again: it answers with the first job as it is
now, 200 and `Idempotent-Replayed: true`."""

_HOW_TO_RETRY: Final = """Submit a job again that failed, was canceled, or completed without some pages.

It becomes a new job with the same document, operation, options, schema, labels, priority and deadline,
which counts anew. Pages that were read already are not read again.

A batch: its items of that kind, as a new batch. All are submitted again, or none.

A job that has not ended answers 409 `JOB_NOT_FINISHED`; one that completed with all its pages 409
`JOB_COMPLETED`; one whose document is no longer stored (deleted, expired, or sent with `store: false`) 410
`SOURCE_GONE`. A password was erased when the job ended: give it again, if the document needs one."""

_HOW_TO_FOLLOW: Final = """Server-Sent Events, of a job or of a batch:

- `job.STATUS` with `id`: a transition. The ids count from 1 within the job, and none is left out: send
  the last one as `Last-Event-ID`, to this or any other process, and the stream goes on after it.
- `job` without `id`: the job object as it is now, after the transitions that are sent at the start and
  after each later one.
- `progress` without `id`: the `progress` member of the job, and `children` of a batch, when it changed.
- comments: heartbeats.

The stream ends after the `job` that follows the terminal transition; asked for again with that id it
answers 204, at which browsers stop. It also ends after a quarter of an hour and when the process stops:
come back with the last id. Without an id it begins with the job's first transition."""

FILES: Final = (
    Endpoint(
        "POST",
        "/v1/files",
        files.upload,
        "files",
        "Upload a file",
        "Store a document once and use it in many jobs by its `file_id`. Its type is found by its "
        "content; what cannot be read is refused here.",
        (
            Reply(201, "Stored.", FileObject, examples.FILE, headers=("Location",)),
            Reply(
                200,
                "The file that an earlier request with this Idempotency-Key had stored.",
                FileObject,
                examples.FILE,
                headers=("Location", "Idempotent-Replayed"),
            ),
        ),
        codes=(
            "OVERLOADED",
            "EMPTY_FILE",
            "UNSUPPORTED_MEDIA_TYPE",
            "FILE_TOO_LARGE",
            "SOURCE_MISSING",
            "FILE_DELETED",
            "STORAGE_FULL",
        ),
        scopes=(Scope.FILES_WRITE,),
        body=Body(multipart=True),
    ),
    Endpoint(
        "GET",
        "/v1/files/{file_id}",
        files.show,
        "files",
        "Get a file",
        "What is known of a stored file.",
        (Reply(200, "The file.", FileObject, examples.FILE),),
        codes=("NOT_FOUND", "FILE_DELETED"),
        scopes=(Scope.FILES_READ,),
    ),
    Endpoint(
        "GET",
        "/v1/files/{file_id}/content",
        files.content,
        "files",
        "Download a file",
        "The bytes as they came, as an attachment that no browser will run.",
        (
            Reply(200, "The bytes.", media_type="*/*", headers=("ETag", "Content-Disposition")),
            Reply(304, "Unchanged, by If-None-Match.", media_type=None),
        ),
        codes=("NOT_FOUND", "FILE_DELETED", "STORED_BYTES_DAMAGED"),
        scopes=(Scope.FILES_READ,),
    ),
    Endpoint(
        "GET",
        "/v1/files/{file_id}/pages/{page}/image",
        files.page_image,
        "files",
        "Get the image of a page",
        "The page as it was read, upright, as WebP. Exists once a job has read the page.",
        (Reply(200, "The image.", media_type="image/webp", headers=("ETag",)),),
        codes=("NOT_FOUND", "FILE_DELETED", "NOT_RENDERED", "STORED_BYTES_DAMAGED"),
        scopes=(Scope.FILES_READ,),
    ),
    Endpoint(
        "DELETE",
        "/v1/files/{file_id}",
        files.delete,
        "files",
        "Delete a file",
        "Delete the bytes, the page images and what was read from them. Results of jobs stay. From then on "
        "its id answers 410 `FILE_DELETED`, with what was purged.",
        (Reply(204, "Deleted.", media_type=None),),
        codes=("NOT_FOUND", "FILE_DELETED", "FILE_IN_USE", "LEGAL_HOLD"),
        scopes=(Scope.FILES_WRITE,),
    ),
)


def _offered(entry: Entry) -> Endpoint:
    """Describe the endpoint of an operation that takes parameters."""
    offer = OFFERS[entry.operation]
    own = {"operation": entry.operation.value, entry.member: outcome_of(entry.operation)}
    example = {**examples.NO_RESULT, **own}
    return Endpoint(
        "POST",
        offer.path,
        operations.submitting(entry.operation),
        "operations",
        offer.summary,
        offer.description + _HOW_TO_SUBMIT,
        _submitted(RESULTS[entry.operation], example),
        codes=(*_SOURCE_CODES, *_WEBHOOK_CODES, *_SYNC_CODES, *offer.codes),
        scopes=(Scope.JOBS_WRITE,),
        body=Body(BODIES[entry.operation], offer.bodies, multipart=True),
        query=SubmitQuery,
        takes_prefer=True,
    )


OPERATIONS: Final = (
    Endpoint(
        "POST",
        "/v1/parse",
        operations.submitting(Operation.PARSE),
        "operations",
        "Read a document",
        "Read a document into Markdown, blocks, tables and words with their places." + _HOW_TO_SUBMIT,
        _submitted(ANY_RESULT, examples.RESULT),
        codes=(*_SOURCE_CODES, *_WEBHOOK_CODES, *_SYNC_CODES),
        scopes=(Scope.JOBS_WRITE,),
        body=Body(ParseBody, examples.PARSE_BODIES, multipart=True),
        query=SubmitQuery,
        takes_prefer=True,
    ),
    Endpoint(
        "POST",
        "/v1/extract",
        operations.submitting(Operation.EXTRACT),
        "operations",
        "Fill a JSON Schema from a document",
        "Read a document and fill your schema; every value cites the words on the page that it came from."
        + _HOW_TO_SUBMIT,
        _submitted(ANY_RESULT, examples.RESULT),
        codes=(*_SOURCE_CODES, *_WEBHOOK_CODES, *_SYNC_CODES, "SCHEMA_INVALID", "TEMPLATE_AND_SCHEMA"),
        scopes=(Scope.JOBS_WRITE,),
        body=Body(ExtractBody, examples.EXTRACT_BODIES, multipart=True),
        query=SubmitQuery,
        takes_prefer=True,
    ),
    *map(_offered, ENTRIES),
)

JOBS: Final = (
    Endpoint(
        "POST",
        "/v1/jobs",
        operations.submit_batch,
        "jobs",
        "Submit a batch",
        "Many submissions under one parent job with its own progress. All are accepted, or none. The "
        "results are those of the items: list them with `parent_id`.",
        (
            Reply(
                202,
                "Accepted: the parent.",
                JobObject,
                examples.BATCH_JOB,
                headers=("Location", "Retry-After"),
            ),
            Reply(
                200,
                "The parent that an earlier request with this Idempotency-Key had made, as it is now.",
                JobObject,
                examples.BATCH_JOB,
                headers=("Location", "Retry-After", "Idempotent-Replayed"),
            ),
        ),
        codes=(*_SOURCE_CODES, *_WEBHOOK_CODES, "SCHEMA_INVALID", "TEMPLATE_AND_SCHEMA"),
        scopes=(Scope.JOBS_WRITE,),
        body=Body(BatchBody, examples.BATCH_BODIES),
    ),
    Endpoint(
        "GET",
        "/v1/jobs",
        jobs.list_jobs,
        "jobs",
        "List jobs",
        "Newest first, by keyset: pages stay whole while jobs come in. Filter by your labels with "
        "`metadata.KEY=VALUE`.",
        (Reply(200, "A page of jobs.", JobList, examples.JOB_LIST),),
        codes=("CURSOR_INVALID",),
        scopes=(Scope.JOBS_READ,),
        query=ListQuery,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}",
        jobs.show,
        "jobs",
        "Get a job",
        "Status, progress and when to ask again. With `wait` the call answers when the job ends, or as it "
        "is after so many seconds.",
        (Reply(200, "The job.", JobObject, examples.JOB, headers=("Retry-After",)),),
        codes=("NOT_FOUND",),
        scopes=(Scope.JOBS_READ,),
        query=WaitQuery,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/result",
        jobs.result,
        "jobs",
        "Get the result of a job",
        "Streamed; with `Accept-Encoding: zstd` as it is stored. A job that was submitted with "
        "`store: false` forgets its result after the first complete read.",
        (
            Reply(200, "The result.", ANY_RESULT, examples.RESULT, headers=("ETag", "Content-Encoding")),
            Reply(304, "Unchanged, by If-None-Match.", media_type=None),
        ),
        codes=(*_RESULT_CODES, "STORED_BYTES_DAMAGED", "REVIEW_NOT_PENDING"),
        scopes=(Scope.JOBS_READ,),
        query=ResultQuery,
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/artifacts",
        jobs.list_artifacts,
        "jobs",
        "List the files that a job made",
        "The parts of a packet that was split, say, or a form that was filled. They are kept as long as the "
        'result, and `source` takes them as `{"job_id": ..., "artifact": NAME}`.',
        (Reply(200, "The files.", ArtifactList, {"items": [examples.ARTIFACT]}),),
        codes=_RESULT_CODES,
        scopes=(Scope.JOBS_READ,),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/artifacts/{name}",
        jobs.artifact,
        "jobs",
        "Download a file that a job made",
        "Its bytes, as an attachment that no browser will run.",
        (
            Reply(200, "The bytes.", media_type="*/*", headers=("ETag", "Content-Disposition")),
            Reply(304, "Unchanged, by If-None-Match.", media_type=None),
        ),
        codes=(*_RESULT_CODES, "STORED_BYTES_DAMAGED"),
        scopes=(Scope.JOBS_READ,),
    ),
    Endpoint(
        "POST",
        "/v1/jobs/{job_id}/retry",
        jobs.retry,
        "jobs",
        "Retry a job",
        _HOW_TO_RETRY,
        (
            Reply(
                202,
                "Accepted: the new job, whose `retry_of` names the old one.",
                JobObject,
                examples.RETRIED_JOB,
                headers=("Location", "Retry-After"),
            ),
            Reply(
                200,
                "The job that an earlier request with this Idempotency-Key had made, as it is now.",
                JobObject,
                examples.RETRIED_JOB,
                headers=("Location", "Retry-After", "Idempotent-Replayed"),
            ),
        ),
        codes=(*SUBMITTING, "NOT_FOUND", "JOB_NOT_FINISHED", "JOB_COMPLETED", "SOURCE_GONE"),
        scopes=(Scope.JOBS_WRITE,),
        body=Body(RetryBody, examples.RETRY_BODIES, required=False),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/events",
        events.follow,
        "jobs",
        "Follow a job",
        _HOW_TO_FOLLOW,
        (
            Reply(200, "The events.", media_type="text/event-stream", example=examples.EVENTS),
            Reply(204, "Nothing is left: the id is that of the job's last event.", media_type=None),
        ),
        codes=("NOT_FOUND", "LAST_EVENT_ID_INVALID", "TOO_MANY_STREAMS", "OVERLOADED"),
        scopes=(Scope.JOBS_READ,),
        query=EventsQuery,
        takes_last_event_id=True,
    ),
    Endpoint(
        "DELETE",
        "/v1/jobs/{job_id}",
        jobs.cancel,
        "jobs",
        "Cancel a job",
        "Cancel a job, or a batch with all its unfinished jobs. Canceling a canceled job changes nothing.",
        (Reply(200, "The job, canceled.", JobObject, examples.CANCELED_JOB),),
        codes=("NOT_FOUND", "JOB_FINISHED"),
        scopes=(Scope.JOBS_WRITE,),
    ),
    Endpoint(
        "DELETE",
        "/v1/jobs/{job_id}/content",
        jobs.delete_content,
        "jobs",
        "Delete the content of a job",
        "Erase what a job that has ended holds: the result, the source that came with it, the pages that "
        "were read for it alone, its bundles, its schema, options, labels and texts; of a batch, of each of "
        "its jobs. The job stays as a tombstone that tells what was purged, and its result answers 410 "
        "`RESULT_DELETED`. Uploaded files stay: delete those by their own id. Again changes nothing.",
        (Reply(200, "The tombstone.", JobObject, examples.DELETED_JOB),),
        codes=(*SUBMITTING, "NOT_FOUND", "JOB_NOT_FINISHED", "LEGAL_HOLD"),
        scopes=(Scope.JOBS_WRITE,),
    ),
)

SYSTEM: Final = (
    Endpoint(
        "GET",
        "/v1/capabilities",
        system.capabilities,
        "system",
        "What this installation can do",
        "Operations, document formats, OCR engines and limits. Any valid key will do.",
        (Reply(200, "The capabilities.", Capabilities, examples.CAPABILITIES),),
    ),
    Endpoint(
        "GET",
        "/livez",
        system.live,
        "system",
        "Whether the process answers",
        "For liveness probes; asks after nothing else.",
        (Reply(200, "It does.", Liveness, {"status": "live"}),),
        public=True,
    ),
    Endpoint(
        "GET",
        "/readyz",
        system.ready,
        "system",
        "Whether requests can be served",
        "For readiness probes: database, queue and disk, each by name. A silent bell is reported and "
        "does not count: workers then poll.",
        (Reply(200, "Ready.", Readiness, examples.READY),),
        codes=("NOT_READY",),
        public=True,
    ),
    Endpoint(
        "GET",
        "/openapi.json",
        system.openapi,
        "system",
        "This document",
        "The OpenAPI 3.1 description of this API.",
        (Reply(200, "The document.", example={"openapi": "3.1.0"}),),
        public=True,
    ),
)

# The router tries them in this order: those that are asked for most come first.
ENDPOINTS: Final = (
    *OPERATIONS,
    *JOBS,
    *ENDPOINTS_OF_REVIEWS,
    *FILES,
    *ENDPOINTS_OF_WEBHOOKS,
    *ENDPOINTS_OF_TEMPLATES,
    *ENDPOINTS_OF_BUNDLES,
    *ENDPOINTS_OF_CUSTODY,
    *ENDPOINTS_OF_KEEPING,
    *PUBLIC_ENDPOINTS,
    *ENDPOINTS_OF_LOG,
    *SYSTEM,
)
