"""Turn every error into a problem: one function per tree of errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import sqlalchemy.exc
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from affidavit.api.errors import JobEnded, MethodNotAllowed, NotReady, RangeNotSatisfiable, RequestTimeout
from affidavit.api.middleware import REQUEST_ID
from affidavit.api.problems import status_of
from affidavit.api.render import job_path, problem_response
from affidavit.api.submission import content_type
from affidavit.engine.errors import EngineError
from affidavit.errors import (
    BundleDeleted,
    FieldError,
    FileDeleted,
    NotFound,
    ServiceError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from affidavit.infra.blobs import BlobError, StoreFull
from affidavit.infra.db import is_fault
from affidavit.jobs.pressure import jittered

log = structlog.get_logger()

Handler = Callable[[Request, Any], Response]

# What the database's client raises when the database is away, full or too slow.
DATABASE_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting up, or told to stop
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke between taking it and using it
    sqlalchemy.exc.DBAPIError,
    sqlalchemy.exc.TimeoutError,
    ConnectionError,
    TimeoutError,
)


def install(app: FastAPI) -> None:
    """Register a handler for every kind of error that a route may raise."""
    app.exception_handler(ServiceError)(on_service_error)
    app.exception_handler(EngineError)(on_engine_error)
    app.exception_handler(BlobError)(on_blob_error)
    app.exception_handler(HTTPException)(on_http_exception)
    app.exception_handler(ClientDisconnect)(on_disconnect)
    for away in DATABASE_AWAY:
        app.exception_handler(away)(on_database_away)


async def on_service_error(request: Request, error: ServiceError) -> Response:
    """Render an error about the request; one that names no status is our own fault."""
    return problem_response(
        error.specific_code,
        error.message,
        path=request.scope["path"],
        request_id=request.scope[REQUEST_ID],
        retryable=error.retryable or error.retry_after is not None,
        errors=error.errors,
        members=_members(error),
        headers=_headers(error),
    )


async def on_engine_error(request: Request, error: EngineError) -> Response:
    """Render an error about a document that was refused at the door."""
    pointer = "/file" if content_type(request) == "multipart/form-data" else "/source"
    return problem_response(
        error.code,
        error.message,
        path=request.scope["path"],
        request_id=request.scope[REQUEST_ID],
        errors=(FieldError(pointer, error.message, error.code.lower()),),
    )


async def on_blob_error(request: Request, error: BlobError) -> Response:
    """Render trouble with stored bytes: away for now, or damaged, which is our own fault."""
    log.error("api.blob", error=type(error).__name__, request_id=request.scope[REQUEST_ID])
    if isinstance(error, StoreFull):
        full = Unavailable(
            "The storage of documents is full. Try again later.", code="STORAGE_FULL", retry_after=30
        )
        return await on_service_error(request, full)
    if error.retryable:
        return await on_service_error(
            request,
            Unavailable("The storage of documents is not available. Try again.", retry_after=jittered(5)),
        )
    damaged = ServiceError(
        "The stored bytes are missing or damaged, and none of them was sent. Report the request_id; "
        "submit the document again.",
        code="STORED_BYTES_DAMAGED",
    )
    return await on_service_error(request, damaged)


async def on_database_away(request: Request, error: Exception) -> Response:
    """Render an absent or overloaded database as a passing trouble; its other errors are our own fault."""
    if is_fault(error):
        raise error
    log.error("api.database", error=type(error).__name__, request_id=request.scope[REQUEST_ID])
    return await on_service_error(
        request, Unavailable("The database is not available. Try again.", retry_after=jittered(2))
    )


async def on_http_exception(request: Request, error: HTTPException) -> Response:
    """Render what the router refuses by itself: unknown paths and methods."""
    if error.status_code == 405:
        return await on_service_error(request, MethodNotAllowed(request.method, _allowed(request)))
    return await on_service_error(request, NotFound("path"))


async def on_disconnect(_request: Request, _error: ClientDisconnect) -> Response:
    """Answer nobody: the caller has hung up."""
    return Response(status_code=499)


def _allowed(request: Request) -> str:
    """Return the methods of all routes of this path; the router names those of the first alone."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    found = [route.methods or set() for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted(set().union(*found)))


def _members(error: ServiceError) -> Mapping[str, Any]:
    match error:
        case JobEnded():
            return {"job_id": error.job_id, "job_error": error.error}
        case NotReady():
            return {"checks": error.checks}
        case FileDeleted():
            return {"deleted_at": error.deleted_at, "deleted_by": error.deleted_by, "purged": error.purged}
        case BundleDeleted():
            return {"deleted_at": error.deleted_at, "deleted_by": error.deleted_by}
    return {}


def _headers(error: ServiceError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    match error:
        case Unauthenticated():
            headers["www-authenticate"] = 'Bearer realm="affidavit"'
        case MethodNotAllowed():
            headers["allow"] = error.allowed
        case JobEnded():
            headers["location"] = job_path(error.job_id)
        case RangeNotSatisfiable():
            headers["content-range"] = f"bytes */{error.size}"
        case TooLarge() | RequestTimeout():
            headers["connection"] = "close"  # the rest of the body is on its way and nobody will read it
    if status_of(error.specific_code) == 503:
        headers.setdefault("retry-after", str(math.ceil(jittered(5))))
    return headers
