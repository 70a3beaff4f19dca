"""Talk to an Affidavit service from Python. Needs httpx and pydantic, and nothing of the server."""

from affidavit.client import bundles, operations, templates
from affidavit.client.async_client import AsyncClient
from affidavit.client.bundle_models import Bundle, Check, Verification
from affidavit.client.call import Submission
from affidavit.client.errors import (
    AffidavitError,
    ApiError,
    ConnectionFailed,
    JobCanceled,
    JobFailed,
    ResultDeleted,
    ResultExpired,
    ReviewRequired,
    WaitTimeout,
)
from affidavit.client.models import (
    Artifact,
    Citation,
    Event,
    FieldValue,
    FileInfo,
    Job,
    JobError,
    JobStatus,
    Problem,
    Progress,
    Result,
    Template,
    TemplateRef,
)
from affidavit.client.retry import RetryPolicy
from affidavit.client.source import Made, Text
from affidavit.client.sync_client import Client

__all__ = [
    "AffidavitError",
    "ApiError",
    "Artifact",
    "AsyncClient",
    "Bundle",
    "Check",
    "Citation",
    "Client",
    "ConnectionFailed",
    "Event",
    "FieldValue",
    "FileInfo",
    "Job",
    "JobCanceled",
    "JobError",
    "JobFailed",
    "JobStatus",
    "Made",
    "Problem",
    "Progress",
    "Result",
    "ResultDeleted",
    "ResultExpired",
    "RetryPolicy",
    "ReviewRequired",
    "Submission",
    "Template",
    "TemplateRef",
    "Text",
    "Verification",
    "WaitTimeout",
    "bundles",
    "operations",
    "templates",
]
