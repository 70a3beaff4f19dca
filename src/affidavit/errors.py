"""Errors about a request, each with a stable code and a message that says what to do next.

    ServiceError
     ├─ NotFound             NOT_FOUND
     ├─ Unauthenticated      UNAUTHENTICATED
     ├─ Forbidden            FORBIDDEN
     ├─ RequestInvalid       REQUEST_INVALID, or a narrower code
     ├─ Conflict             a state that does not allow it; the code says which
     ├─ Gone                 RESULT_EXPIRED, RESULT_DELETED, IDEMPOTENCY_KEY_EXPIRED
     │   ├─ FileDeleted      FILE_DELETED, with its tombstone
     │   └─ BundleDeleted    BUNDLE_DELETED
     ├─ IdempotencyKeyReused IDEMPOTENCY_KEY_REUSED
     ├─ TooLarge             REQUEST_TOO_LARGE
     ├─ TooManyRequests      RATE_LIMITED
     └─ Unavailable          UNAVAILABLE

No HTTP status here: the edge has one table for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One offending field: a JSON Pointer into the request, what is wrong, and a code."""

    pointer: str
    message: str
    code: str = "invalid"


class ServiceError(Exception):
    """Base of every error about a request. The message is public; `retry_after` is in seconds."""

    code: ClassVar[str] = "SERVICE_ERROR"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.specific_code = code or self.code
        self.errors = tuple(errors)
        self.retry_after = retry_after


class NotFound(ServiceError):
    """Nothing of that id in this environment. Says the same for another environment's object."""

    code = "NOT_FOUND"

    def __init__(self, what: str = "resource") -> None:
        super().__init__(f"There is no such {what}. Check the id and the key's environment.")


class Unauthenticated(ServiceError):
    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("Send a valid API key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.")


class Forbidden(ServiceError):
    code = "FORBIDDEN"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This API key lacks the scope '{scope}'. Use a key that has it.")


class RequestInvalid(ServiceError):
    code = "REQUEST_INVALID"


class Conflict(ServiceError):
    """The resource is in a state that does not allow this. The code names the state."""

    code = "CONFLICT"


class IdempotencyInProgress(Conflict):
    code = "IDEMPOTENCY_IN_PROGRESS"
    retryable = True

    def __init__(self) -> None:
        super().__init__(
            "The first request with this Idempotency-Key is still being written. Send it again.",
            retry_after=1,
        )


class Gone(ServiceError):
    code = "GONE"


class FileDeleted(Gone):
    """The file is gone; `purged` is what was given up with it, `deleted_by` the key that asked or None."""

    code = "FILE_DELETED"

    def __init__(
        self, deleted_at: datetime, deleted_by: str | None, purged: Sequence[Mapping[str, Any]] | None
    ) -> None:
        super().__init__("This file was deleted. Upload it again to use it.")
        self.deleted_at = deleted_at
        self.deleted_by = deleted_by
        self.purged = list(purged or ())


class BundleDeleted(Gone):
    """The bundle is gone but for its tombstone; `deleted_by` is the key that asked or None."""

    code = "BUNDLE_DELETED"

    def __init__(self, bundle_id: str, deleted_at: datetime, deleted_by: str | None) -> None:
        super().__init__(
            f"This bundle was deleted. Its signed tombstone is at /v1/bundles/{bundle_id}/tombstone."
        )
        self.deleted_at = deleted_at
        self.deleted_by = deleted_by


class IdempotencyKeyReused(ServiceError):
    """The same key came with a different request. `differing` names the parts that differ."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, differing: Sequence[str]) -> None:
        named = ", ".join(differing) or "the request"
        super().__init__(
            f"This Idempotency-Key was used for another request; it differs in: {named}. "
            "Use a new key for a new request.",
            errors=[
                FieldError(f"/{name}", "differs from the first request", "differs") for name in differing
            ],
        )


class TooLarge(ServiceError):
    code = "REQUEST_TOO_LARGE"


class TooManyRequests(ServiceError):
    code = "RATE_LIMITED"
    retryable = True


class Unavailable(ServiceError):
    code = "UNAVAILABLE"
    retryable = True
