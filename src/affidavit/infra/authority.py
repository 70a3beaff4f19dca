"""Ask a timestamp authority over HTTP (RFC 3161, section 3.4): bounded in bytes and time, never redirected.

The address is the operator's, so private ones are allowed. What is sent is a request in DER, which holds a
hash and a random number.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import httpx

from affidavit.infra.post import trusted

ANSWER_BYTES: Final = 256 * 1024  # those of public authorities have 3 to 8 KiB
CONNECT_SECONDS: Final = 10.0


class AuthorityFailure(Exception):
    """There is no answer to read. `code` says why; asking again later may help."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Authority:
    """Where a timestamp authority is, and how long an answer may take."""

    url: str
    timeout_seconds: float = 20.0

    async def ask(self, request: bytes) -> bytes:
        """Return what it answers, unread. Raises AuthorityFailure."""
        try:
            async with asyncio.timeout(self.timeout_seconds), self._client() as client:
                return await self._post(client, request)
        except (TimeoutError, httpx.TimeoutException):
            raise AuthorityFailure("AUTHORITY_TIMED_OUT") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise AuthorityFailure("AUTHORITY_UNREACHABLE") from None

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Timeout(self.timeout_seconds, connect=CONNECT_SECONDS)
        return httpx.AsyncClient(timeout=limits, follow_redirects=False, trust_env=False, verify=trusted())

    async def _post(self, client: httpx.AsyncClient, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
        async with client.stream("POST", self.url, content=request, headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                raise AuthorityFailure("AUTHORITY_REFUSED")
            found = bytearray()
            async for piece in answer.aiter_raw():
                found += piece
                if len(found) > ANSWER_BYTES:
                    raise AuthorityFailure("AUTHORITY_ANSWER_TOO_LARGE")
            return bytes(found)
