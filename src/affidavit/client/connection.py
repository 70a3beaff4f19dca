"""Turn calls into httpx requests and back: what the two clients share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import httpx

from affidavit.client.call import Call
from affidavit.client.errors import ConnectionFailed
from affidavit.client.multipart import MultipartBody
from affidavit.client.reply import Reply

DEFAULT_URL = "http://127.0.0.1:8000"
USER_AGENT = "affidavit-python"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the service is and how to be let in. `timeout` is of one silence, in seconds."""

    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 30

    def options(self) -> dict[str, Any]:
        """Return what httpx's clients are made with; AFFIDAVIT_URL and AFFIDAVIT_API_KEY fill gaps."""
        api_key = self.api_key or os.environ.get("AFFIDAVIT_API_KEY")
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json, application/problem+json, */*;q=0.5",
        }
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        base_url = self.base_url or os.environ.get("AFFIDAVIT_URL") or DEFAULT_URL
        return {"base_url": base_url.rstrip("/"), "headers": headers, "timeout": self.timeout}

    def request(self, call: Call[Any], *, is_async: bool) -> dict[str, Any]:
        """Return the arguments of httpx's `request`, with a body that starts from its beginning."""
        body: Any = call.body
        if isinstance(body, MultipartBody):
            body = body.achunks() if is_async else body.chunks()
        return {
            "method": call.method,
            "url": call.path,
            "params": dict(call.params),
            "headers": dict(call.headers),
            "content": body,
            "timeout": httpx.Timeout(self.timeout, read=self.timeout + call.hold_seconds),
        }


def unreached(error: httpx.TransportError) -> ConnectionFailed:
    """Say that the service cannot be reached, and in what way."""
    return ConnectionFailed(f"the service could not be reached: {type(error).__name__}: {error}")


def reply_of(response: httpx.Response, call: Call[Any]) -> Reply:
    """Take httpx's response apart."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content, call.path)
