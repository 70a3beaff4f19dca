"""Tell whether two requests with one Idempotency-Key are the same: digests of what was asked for."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from starlette.requests import Request

from affidavit.api.parsing import parse_idempotency_key
from affidavit.api.submission import Batch
from affidavit.engine.spec import Options
from affidavit.infra.idempotency import Fingerprint, fingerprint
from affidavit.jobs.submission import (
    Asked,
    FileRef,
    JobRef,
    SourceRef,
    Submission,
    Upload,
    UrlRef,
    WebhookRef,
)


def retry_key(request: Request, password: str | None, secret: bytes) -> Fingerprint | None:
    """Return the Idempotency-Key of a retry, None without one."""
    key = parse_idempotency_key(request)
    parts = {"password": None if password is None else _digest(password, secret)}
    return None if key is None else fingerprint(_scope(request), key, parts)


def submission_key(request: Request, submission: Submission, secret: bytes) -> Fingerprint | None:
    """Return the Idempotency-Key with the digests of what was asked, None without a key."""
    key = parse_idempotency_key(request)
    return None if key is None else fingerprint(_scope(request), key, _parts(submission, secret))


def batch_key(request: Request, batch: Batch, secret: bytes) -> Fingerprint | None:
    """Return the Idempotency-Key of a batch, None without one."""
    key = parse_idempotency_key(request)
    if key is None:
        return None
    items = [{"operation": item.operation, **_parts(item, secret)} for item in batch.items]
    return fingerprint(
        _scope(request),
        key,
        {
            "items": items,
            "metadata": dict(batch.metadata) or None,
            "priority": batch.priority,
            "webhook": _identify_webhook(batch.webhook, secret),
        },
    )


def file_key(request: Request, sha256: str, filename: str | None) -> Fingerprint | None:
    """Return the Idempotency-Key of an upload, None without one."""
    key = parse_idempotency_key(request)
    return None if key is None else fingerprint(_scope(request), key, {"file": sha256, "filename": filename})


def _scope(request: Request) -> str:
    return f"{request.method} {request.url.path}"


def _parts(submission: Submission, secret: bytes) -> dict[str, object]:
    """Return the parts of a request that must be the same in a replay; what is default is left out."""
    asked = submission.asked or Asked(
        submission.json_schema, None, submission.options, submission.parameters, submission.review
    )
    return {
        "source": _identify(submission.source),
        "schema": asked.json_schema,
        "template": asked.template,
        "options": _identify_options(asked.options, secret) or None,
        "store": submission.store,
        "priority": submission.priority,
        "metadata": dict(submission.metadata) or None,
        "deadline_seconds": submission.deadline.total_seconds() if submission.deadline else None,
        "webhook": _identify_webhook(submission.webhook, secret),
        "parameters": dict(asked.parameters) or None,
        "review": asked.review.model_dump() if asked.review else None,
    }


def _identify_webhook(webhook: WebhookRef | None, secret: bytes) -> dict[str, str] | None:
    if webhook is None:
        return None
    own = {} if webhook.secret is None else {"secret": _digest(webhook.secret, secret)}
    return {"url": webhook.url, **own}


def _identify(source: SourceRef) -> dict[str, str]:
    match source:
        case Upload():
            return {"sha256": source.sha256}
        case FileRef():
            return {"file_id": source.file_id}
        case UrlRef():
            return {"url": source.url}
        case JobRef():
            return {"job_id": source.job_id} | ({"artifact": source.artifact} if source.artifact else {})


def _identify_options(options: Options, secret: bytes) -> dict[str, Any]:
    """Return the options with the password as a keyed digest: a plain one could be guessed at."""
    named = options.model_dump(mode="json", exclude_defaults=True)
    if options.password is not None:
        named["password"] = _digest(options.password, secret)
    return named


def _digest(password: str, secret: bytes) -> str:
    return hmac.digest(secret, password.encode(), hashlib.sha256).hex()
