"""Errors that only the HTTP surface knows: how a request was sent, not what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affidavit.errors import Conflict, RequestInvalid, ServiceError, Unavailable


class MethodNotAllowed(ServiceError):
    """`allowed` are the methods of the Allow header, as in `GET, DELETE`."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not possible here. Use one of: {allowed}.")
        self.allowed = allowed


class RequestTimeout(ServiceError):
    """`wanted` says how the body should have come, as in `within 300 seconds`."""

    code = "REQUEST_TIMEOUT"
    retryable = True

    def __init__(self, wanted: str) -> None:
        super().__init__(f"The body did not arrive {wanted}. Send it again over a faster connection.")


class HeadTimeout(ServiceError):
    code = "REQUEST_TIMEOUT"
    retryable = True

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The head of the request did not arrive within {seconds:g} seconds.")


class HeadTooLarge(ServiceError):
    code = "HEAD_TOO_LARGE"

    def __init__(self, most: int) -> None:
        super().__init__(f"The head of the request, or what should end it, has more than {most} bytes.")


class HttpInvalid(ServiceError):
    code = "HTTP_INVALID"

    def __init__(self) -> None:
        super().__init__("This is not a request of HTTP/1.1. The connection is closed.")


class JsonInvalid(ServiceError):
    code = "JSON_INVALID"


class MultipartInvalid(ServiceError):
    code = "MULTIPART_INVALID"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The multipart body cannot be read: {reason}.")


class ContentTypeUnsupported(ServiceError):
    code = "CONTENT_TYPE_UNSUPPORTED"

    def __init__(self, accepted: str) -> None:
        super().__init__(f"Send the body as {accepted}, and say so in Content-Type.")


class IdempotencyKeyInvalid(RequestInvalid):
    code = "IDEMPOTENCY_KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("Idempotency-Key has 1 to 255 visible ASCII characters, bare or in double quotes.")


class JobEnded(Conflict):
    """A synchronous call, or a read of the result, met a job that ended without one."""

    def __init__(self, first: ServiceError, job_id: str, error: Mapping[str, Any] | None) -> None:
        super().__init__(first.message, code=first.specific_code, retry_after=first.retry_after)
        self.job_id = job_id
        self.error = error


class RangeNotSatisfiable(ServiceError):
    """The part that was asked for lies outside of the `size` bytes that there are."""

    code = "RANGE_NOT_SATISFIABLE"

    def __init__(self, size: int) -> None:
        super().__init__(f"There are {size} bytes, and the Range begins after them.")
        self.size = size


class NotReady(Unavailable):
    """`checks` says of each part whether it is up."""

    code = "NOT_READY"

    def __init__(self, checks: Mapping[str, Any]) -> None:
        down = ", ".join(name for name, check in checks.items() if not check["ok"])
        super().__init__(f"Not ready to serve: {down}.", retry_after=5)
        self.checks = checks
