"""Say what was asked for without what is secret: `request.json` of a bundle."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from affidavit.engine.spec import Options
from affidavit.jobs.claim import Claim
from affidavit.jobs.submission import PRIORITY_ORDER


def request_of(held: Claim) -> bytes:
    """Return the request of a job as JSON: a password is `true`, URLs are without what may be a secret."""
    spec = held.spec
    asked = {
        "operation": held.operation,
        "source": _source(held),
        "schema": spec.get("json_schema"),
        "template": spec.get("template"),
        "options": options_of(held),
        "parameters": spec.get("parameters", {}),
        "review": spec.get("review"),
        "store": held.store,
        "priority": _priority(held.priority),
        "deadline_seconds": spec.get("deadline_seconds"),
        "webhook": None if held.webhook_url is None else origin_of(held.webhook_url),
        "metadata": dict(held.metadata),
        "retry_of": held.retry_of,
    }
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()


def options_of(held: Claim) -> dict[str, Any]:
    """Return all options as they held, with `true` for a password."""
    options = Options.model_validate(held.spec.get("options", {})).model_dump(mode="json")
    return {**options, "password": None if held.sealed_password is None else True}


def shown_url(url: str) -> str:
    """Return a URL without user, query and fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def origin_of(url: str) -> str:
    """Return the scheme and host of a URL alone: the path of a webhook is often its secret."""
    return urlsplit(shown_url(url))._replace(path="").geturl()


def _source(held: Claim) -> dict[str, Any]:
    """Return what was named as the source; which document that was, the manifest says."""
    source: dict[str, Any] = {"type": held.source.get("type", "upload")}
    if "job_id" in held.source:
        source = {"type": "job", "job_id": held.source["job_id"]}
    if "url" in held.source:
        source["url"] = shown_url(held.source["url"])
    if source["type"] == "file" and held.document is not None:
        source["file_id"] = held.document.id
    return source


def _priority(order: int) -> str | int:
    names = {place: name.value for name, place in PRIORITY_ORDER.items()}
    return names.get(order, order)
