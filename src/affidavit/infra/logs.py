"""Write logs as events with fields, and keep out of them what may not be written down."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from affidavit.infra import context

REDACTED = "[redacted]"
MAX_CHARACTERS = 500  # a field is a fact, not a text
MAX_ITEMS = 20
MAX_FRAMES = 12

# The only fields that are written; a test holds this against every call in the code. What is not here was
# thought of by nobody, so it may be words of a document.
FIELDS: Final = frozenset(
    {
        # what is logged about: ids are ours and say nothing
        "request_id", "job_id", "task_id", "delivery_id", "endpoint_id", "environment_id", "document_id",
        "file_id", "bundle_id", "key_id", "parent_id", "sha256", "worker", "attempt", "trace_id",
        # what happened to it
        "kind", "status", "why", "code", "stage", "outcome", "ending", "signal", "sweep", "part", "reason",
        "error", "error_message", "at", "where", "detail", "state",
        # how much and how long
        "ms", "seconds", "count", "pages", "page", "slots", "running", "size", "tries", "left", "retry_in",
        "environments", "jobs", "tasks", "blobs", "deliveries", "purged", "lost",
        # the process and its surroundings
        "version", "host", "port", "pid", "profile", "walls", "revision", "pool",
        # a request
        "method", "path", "route",
        # a delivery: `origin` is the scheme and the host of its receiver
        "message_id", "event_type", "origin", "status_code", "failure", "latency_ms", "told", "hint",
        # of the loggers themselves
        "event", "level", "timestamp", "logger", "_record", "_from_structlog",
    }
)  # fmt: skip
_URL_TAIL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?#\"']*)[?#][^\s\"']*", re.IGNORECASE)
_URL_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']*@", re.IGNORECASE)
_KEY = re.compile(r"\b(?:afd|whsec|whsk)_[A-Za-z0-9+/=_-]{8,}|\bBearer\s+\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]+")
# Ids, paths and times: what nearly all fields are. Nothing below could match in them.
_HARMLESS = re.compile(r"(?!.*(?:afd|whs|eyJ))[A-Za-z0-9_./:-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_INTERNAL: Final = ("_record", "_from_structlog")  # structlog's own, gone before anything is written

# Their info lines name every URL with its query, or every statement.
NOISY = ("httpx", "httpcore", "asyncio", "sqlalchemy.engine", "arq", "hpack", "PIL", "alembic.runtime")


def configure(
    *, level: str = "info", form: Literal["json", "console"] = "json", to: TextIO | None = None
) -> None:
    """Send all logs of this process, other libraries' too, to `to` (stderr) in one form.

    Access logs of uvicorn are off: each request is one event of our own. Exceptions are logged as
    type and place; their messages, which may quote a document, only at level debug.
    """
    stream = to or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception(with_message=number <= logging.DEBUG),
        keep_out,
    ]
    renderer: Processor = structlog.processors.JSONRenderer()
    if form == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _take_over_standard_logging(number, shared, renderer, stream)
    _access.write = _access_writer(number, form, stream)


def _take_over_standard_logging(
    level: int, shared: list[Processor], renderer: Processor, stream: TextIO
) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for name in NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def access(method: str, path: str, status: int, seconds: float, request_id: str, key_id: str | None) -> None:
    """Write the line of one request, in the form of all others."""
    _access.write(method, path, status, seconds, request_id, key_id)


AccessWriter = Callable[[str, str, int, float, str, str | None], None]


def _through_structlog(
    method: str, path: str, status: int, seconds: float, request_id: str, key_id: str | None
) -> None:
    structlog.get_logger().info(
        "http.request",
        method=method,
        path=path[:200],
        status=status,
        ms=round(seconds * 1000, 1),
        request_id=request_id,
        key_id=key_id,
    )


class _Access:
    """Where access lines go; `configure` says it."""

    write: AccessWriter = staticmethod(_through_structlog)


_access = _Access()


def _access_writer(level: int, form: str, stream: TextIO) -> AccessWriter:
    if level > logging.INFO:
        return lambda *_: None
    return _through_structlog if form == "console" else _JsonAccess(stream).write


class _JsonAccess:
    """Renders the one line that is written for every request without the chain of processors.

    It took 12 % of an API process by the chain: 33 µs a line. Only `path` and `request_id` come from a
    caller, and they are cleaned as everywhere; the other fields cannot hold anything but themselves.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._second = 0
        self._stamp = ""

    def write(
        self, method: str, path: str, status: int, seconds: float, request_id: str, key_id: str | None
    ) -> None:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        key = "null" if key_id is None else encode_basestring_ascii(key_id)
        self._stream.write(
            f'{{"method": {encode_basestring_ascii(method)}, '
            f'"path": {encode_basestring_ascii(clean(path[:200]))}, '
            f'"status": {status}, "ms": {seconds * 1000:.1f}, '
            f'"request_id": {encode_basestring_ascii(clean(request_id))}, "key_id": {key}, '
            f'"event": "http.request", "level": "info", '
            f'"timestamp": "{self._stamp}.{int((now - second) * 1e6):06d}Z"}}\n'
        )
        self._stream.flush()


def _add_ids(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the work at hand; what the line says itself stands."""
    ids = context.current()
    return {**ids, **event} if ids else event


def keep_out(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Redact fields that are not listed, and keep of the others only plain, short, one-line values."""
    return {name: value if name in _INTERNAL else _kept(name, value) for name, value in event.items()}


def _kept(name: str, value: Any) -> Any:
    if value is not None and name not in FIELDS:
        return REDACTED
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in list(value)[:MAX_ITEMS]]
    return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return clean(value)
        case _:
            return clean(f"<{type(value).__name__}>")


def clean(text: str) -> str:
    """Take keys, user names in URLs and their queries out, make it one line, and cut it short."""
    if len(text) <= MAX_CHARACTERS and _HARMLESS.fullmatch(text):
        return text
    text = _KEY.sub(REDACTED, _URL_USER.sub(r"\1", _URL_TAIL.sub(r"\1?…", text)))
    text = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"


def _describe_exception(*, with_message: bool) -> Processor:
    def describe(_logger: Any, _method: str, event: EventDict) -> EventDict:
        error = _exception_in(event.pop("exc_info", None))
        if error is not None:
            event["error"] = chain(error)
            event["at"] = places(error.__traceback__)
            if with_message:
                event["error_message"] = str(error)
        return event

    return describe


def _exception_in(given: Any) -> BaseException | None:
    """Read `exc_info` in each of the forms that logging takes: exception, tuple or just true."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def chain(error: BaseException) -> str:
    """Name an exception's type and those of its causes: `KeyError < ValueError`."""
    names: list[str] = []
    current: BaseException | None = error
    while current is not None and len(names) < MAX_ITEMS:
        names.append(f"{type(current).__module__}.{type(current).__qualname__}".removeprefix("builtins."))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return " < ".join(names)


def places(trace: TracebackType | None) -> list[str]:
    """Return where an exception went through, innermost last: `runner.py:42 run`."""
    frames = traceback.extract_tb(trace)[-MAX_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
