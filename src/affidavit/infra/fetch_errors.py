"""Say why a URL could not be fetched, with a stable code and what to do next.

    FetchError
     ├─ UrlInvalid        SOURCE_URL_INVALID
     ├─ AddressForbidden  SOURCE_ADDRESS_FORBIDDEN
     ├─ Unreachable       SOURCE_UNREACHABLE
     ├─ TimedOut          SOURCE_TIMEOUT
     ├─ StatusRefused     SOURCE_STATUS
     ├─ SourceTooLarge    SOURCE_TOO_LARGE
     ├─ TooManyRedirects  SOURCE_TOO_MANY_REDIRECTS
     ├─ TlsFailed         SOURCE_TLS
     └─ Unreadable        SOURCE_UNREADABLE

Messages are public. They name a host at most: no path, no query, no resolved address.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class FetchError(Exception):
    """Base. `retryable`: the same URL may work later."""

    code: ClassVar[str] = "SOURCE_UNREACHABLE"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


class UrlInvalid(FetchError):
    code = "SOURCE_URL_INVALID"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The source URL {reason}.")


class AddressForbidden(FetchError):
    code = "SOURCE_ADDRESS_FORBIDDEN"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"'{host}' is, or leads to, a private, local or reserved address, which is not fetched from. "
            "Use a public URL, upload the file instead, or have the operator allow the network "
            "with AFFIDAVIT_FETCH_ALLOWED_NETWORKS."
        )


class Unreachable(FetchError):
    code = "SOURCE_UNREACHABLE"

    def __init__(self, host: str, reason: str, *, retryable: bool = True) -> None:
        super().__init__(
            f"'{host}' could not be reached: {reason}. Check the URL, or upload the file instead.",
            retryable=retryable,
        )


class TimedOut(FetchError):
    code = "SOURCE_TIMEOUT"

    def __init__(self, host: str, what: str) -> None:
        super().__init__(
            f"'{host}' took too long: {what}. Try again later, or upload the file instead.", retryable=True
        )


class StatusRefused(FetchError):
    """`status` is what the other server answered; it is worth another try for 429 and 5xx."""

    code = "SOURCE_STATUS"

    def __init__(self, host: str, status: int) -> None:
        super().__init__(
            f"'{host}' answered with status {status}. Check that the URL is right, has not expired "
            "and can be opened without signing in.",
            retryable=status in (408, 425, 429) or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )
        self.status = status


class SourceTooLarge(FetchError):
    code = "SOURCE_TOO_LARGE"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The file at the source URL has more than the {limit_bytes} bytes that are allowed. "
            "Send a smaller file, or split it."
        )


class TooManyRedirects(FetchError):
    code = "SOURCE_TOO_MANY_REDIRECTS"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The source URL was redirected more than {limit} times. Give the address of the file itself."
        )


class TlsFailed(FetchError):
    code = "SOURCE_TLS"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"No secure connection to '{host}': its certificate is not valid for it, or its TLS is "
            "too old. Mend the server's TLS, or upload the file instead."
        )


class Unreadable(FetchError):
    code = "SOURCE_UNREADABLE"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"What '{host}' sent cannot be read: {reason}. Upload the file instead.")
