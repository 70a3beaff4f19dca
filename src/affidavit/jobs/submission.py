"""What is submitted: an operation, a source, and how to treat both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from affidavit.engine.spec import Operation, Options, ReviewOptions


class Priority(StrEnum):
    """Order within an environment; higher ones are claimed first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


PRIORITY_ORDER: Final[Mapping[Priority, int]] = {
    Priority.LOW: -10,
    Priority.NORMAL: 0,
    Priority.HIGH: 10,
}


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that came with the submission and lie in the blob store already."""

    sha256: str
    size_bytes: int
    media_type: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that was uploaded before, or the document of the earlier job that was named."""

    file_id: str
    of_job: str | None = None


@dataclass(frozen=True, slots=True)
class UrlRef:
    """A URL whose spelling was judged at the door; a worker fetches it."""

    url: str


@dataclass(frozen=True, slots=True)
class JobRef:
    """The document of an earlier job, or a file that it made."""

    job_id: str
    artifact: str | None = None


SourceRef = Upload | FileRef | UrlRef | JobRef


@dataclass(frozen=True, slots=True)
class WebhookRef:
    """Who is told of the end: a URL whose spelling was judged, signed with its own secret or the default."""

    url: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateRef:
    """The template that a schema was taken from. Without an id it is a starter of the package."""

    name: str
    version: int
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller said of schema, template, options and parameters, before one was put into another."""

    json_schema: dict[str, Any] | None
    template: str | None
    options: Options
    parameters: Mapping[str, Any] = field(default_factory=dict)
    review: ReviewOptions | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to be. `store=False` keeps no checkpoints, and the result only until it is read.

    `parameters` are the operation's own. `deadline` counts from the acceptance; None leaves it to the
    installation and the page count. `template` is where `json_schema` was taken from. `asked` is what the
    caller said, where it differs: by that a replay is known.
    """

    operation: Operation
    source: SourceRef
    options: Options = field(default_factory=Options)
    json_schema: dict[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    store: bool = True
    priority: Priority = Priority.NORMAL
    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline: timedelta | None = None
    webhook: WebhookRef | None = None
    review: ReviewOptions | None = None
    template: TemplateRef | None = None
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """What the installation grants: how long a job may take, and how long things are kept."""

    deadline_base: timedelta
    deadline_page: timedelta
    idempotency_ttl: timedelta
    poll_interval: timedelta = timedelta(milliseconds=25)  # one indexed look, and only while someone waits
