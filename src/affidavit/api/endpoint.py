"""What is said of an endpoint beside its code: all that the OpenAPI document needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from affidavit.accounts.principal import Scope
from affidavit.api.wire import NoQuery, Query

Handler = Callable[[Request], Awaitable[Response]]

ANY_CALL: Final = ("INTERNAL_ERROR", "UNAVAILABLE")
WITH_KEY: Final = (*ANY_CALL, "UNAUTHENTICATED", "REQUEST_INVALID", "RATE_LIMITED")
SUBMITTING: Final = ("QUEUE_FULL", "OVERLOADED")
WITH_BODY: Final = (
    "JSON_INVALID",
    "REQUEST_TOO_LARGE",
    "REQUEST_TIMEOUT",
    "CONTENT_TYPE_UNSUPPORTED",
)
WITH_IDEMPOTENCY: Final = (
    "IDEMPOTENCY_KEY_INVALID",
    "IDEMPOTENCY_KEY_REUSED",
    "IDEMPOTENCY_KEY_EXPIRED",
    "IDEMPOTENCY_IN_PROGRESS",
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One good answer. `model` None: bytes of `media_type`, or nothing at all when that is None too."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    example: Mapping[str, Any] | str | None = None
    media_type: str | None = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its JSON model with examples, and whether multipart with a file is taken."""

    model: type[BaseModel] | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    multipart: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route: where, what code, and what to say of it. `codes` are the problems of its own."""

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    description: str
    replies: tuple[Reply, ...]
    codes: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()
    public: bool = False
    body: Body | None = None
    query: type[Query] = NoQuery
    takes_prefer: bool = False
    takes_last_event_id: bool = False

    @property
    def operation_id(self) -> str:
        """Return the name that generated clients use."""
        return f"{self.tag}_{self.handler.__name__}"

    @property
    def takes_key(self) -> bool:
        """Tell whether an Idempotency-Key is honoured: a PATCH or DELETE may be sent again as it is."""
        return self.method == "POST" and self.body is not None

    @property
    def all_codes(self) -> tuple[str, ...]:
        """Return every code that it may answer with, sorted."""
        codes = {*self.codes, *(ANY_CALL if self.public else WITH_KEY)}
        if self.scopes:
            codes.add("FORBIDDEN")
        if self.body is not None:
            codes.update(WITH_BODY)
        if self.takes_key:
            codes.update(WITH_IDEMPOTENCY)
        if self.body is not None and self.body.multipart:
            codes.add("MULTIPART_INVALID")
        return tuple(sorted(codes))
