"""Traces from the request over its tasks to its webhooks, when OpenTelemetry is installed and asked for.

Off, everything here costs a comparison. What crosses a process is a W3C `traceparent`, kept with the
job: a task is a child of the request that submitted it, an attempt at a webhook of the same. Span names
and attributes are ours: ids, kinds, codes and counts; never a URL, a name or words of a document.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

STANDARD: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
MISSING: Final = (
    "Traces are asked for (AFFIDAVIT_OTEL_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT), and the packages for "
    "them are missing: pip install 'affidavit[otel]', or unset the variable."
)

Attributes = Mapping[str, str | int | float | bool]


class Tracer:
    """Makes spans with OpenTelemetry's SDK. One a process, made by `start`."""

    def __init__(self, role: str, version: str, exporter: Any, *, at_once: bool = False) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = {"service.version": version}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            named["service.name"] = f"affidavit-{role}"
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(
            SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter)
        )
        self._tracer = self._provider.get_tracer("affidavit", version)
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()

    def open(self, name: str, kind: str, parent: str | None, attributes: Attributes) -> Any:
        """Return a context manager that opens a span and makes it the one at hand."""
        context = None if parent is None else self._propagator.extract({"traceparent": parent})
        return self._tracer.start_as_current_span(
            name,
            context=context,
            kind=self._trace.SpanKind[kind],
            attributes=dict(attributes),
            record_exception=False,  # its message may quote a document
            set_status_on_exception=False,
        )

    def traceparent(self) -> str | None:
        """Return the W3C header of the span at hand."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")

    def close(self) -> None:
        """Send what is left; bounded by the exporter's own timeout."""
        self._provider.shutdown()


class _Current:
    """The tracer of this process, None while nothing is traced."""

    tracer: Tracer | None = None


_current: Final = _Current()


class Span:
    """What a caller may say of a span; nothing, when nothing is traced."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def set(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 - a value, not a switch
        """Add an attribute."""
        if self._span is not None:
            self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """Give the span the name that was not known when it was opened."""
        if self._span is not None:
            self._span.update_name(name)

    def fail(self, code: str) -> None:
        """Mark the span as failed, by a code of ours."""
        if self._span is not None:
            from opentelemetry.trace import Status, StatusCode

            self._span.set_status(Status(StatusCode.ERROR, code))


_NO_SPAN: Final = Span()


def is_asked_for(endpoint: str) -> bool:
    """Tell whether the settings or the standard variables want traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return bool(endpoint) or any(os.environ.get(name) for name in STANDARD)


def start(endpoint: str, *, role: str, version: str) -> None:
    """Trace from now on if it is asked for. Raises SystemExit when the packages are missing."""
    if not is_asked_for(endpoint):
        return
    if not all(_is_installed(package) for package in PACKAGES):
        raise SystemExit(MISSING)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces") if endpoint else OTLPSpanExporter()
    use(Tracer(role, version, exporter))


def use(tracer: Tracer | None) -> None:
    """Make this the tracer of the process."""
    _current.tracer = tracer


def stop() -> None:
    """Send what is left and trace no more."""
    if _current.tracer is not None:
        _current.tracer.close()
        _current.tracer = None


def is_on() -> bool:
    """Tell whether spans are made."""
    return _current.tracer is not None


@contextmanager
def span(
    name: str, *, kind: str = "INTERNAL", parent: str | None = None, **attributes: Any
) -> Iterator[Span]:
    """Open a span for the length of the block; attributes that are None are left out.

    `parent` is a W3C traceparent; without one, the span at hand is the parent. An exception marks
    the span with its type.
    """
    tracer = _current.tracer
    if tracer is None:
        yield _NO_SPAN
        return
    known = {f"affidavit.{key}": value for key, value in attributes.items() if value is not None}
    with tracer.open(name, kind, parent, known) as opened:
        made = Span(opened)
        try:
            yield made
        except BaseException as error:
            made.fail(type(error).__name__)
            raise


def traceparent() -> str | None:
    """Return the W3C header of the span at hand, or None when nothing is traced."""
    tracer = _current.tracer
    return None if tracer is None else tracer.traceparent()


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # nor what it is a part of
        return False
