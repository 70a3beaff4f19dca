"""Keep the part of a source URL that may be a secret sealed, as signed URLs have it in their query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

SEALED = "sealed_url"  # the member of `jobs.source` that goes when the document is there


class Opener(Protocol):
    """Decrypts what was sealed for its owner."""

    def open(self, sealed: bytes, owner: str) -> bytes: ...


class Sealer(Opener, Protocol):
    """Encrypts what must be read again, bound to what it belongs to."""

    def seal(self, plain: bytes, owner: str) -> bytes: ...


def url_source(url: str, sealer: Sealer, job_id: str) -> dict[str, Any]:
    """Return the stored source of a URL: what may be shown, and the whole of it sealed for the job."""
    parts = urlsplit(url)
    if not parts.query:
        return {"type": "url", "url": url}
    shown = parts._replace(query="", fragment="").geturl()
    return {"type": "url", "url": shown, SEALED: sealer.seal(url.encode(), job_id).hex()}


def source_url(source: Mapping[str, Any], opener: Opener, job_id: str) -> str:
    """Return the whole URL of a stored source. Raises what the opener raises."""
    sealed = source.get(SEALED)
    return str(source["url"]) if sealed is None else opener.open(bytes.fromhex(sealed), job_id).decode()
