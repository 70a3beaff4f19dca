"""Every metric of the processes, declared in one place; what happens elsewhere counts itself in one line.

Names end in their unit, labels come from closed sets: never an id, an environment, a URL or a name that a
caller chose. What all processes would say alike (how the queue stands) is asked of the database
by the API alone, see `jobs.gauges`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # CPU, memory, descriptors and start of the process

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WORK: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_WAIT: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 60, 300, 1800, 3600, 21600)
_DELIVERY: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 43200, 86400, 345600)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
    return Counter(f"affidavit_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
    return Gauge(f"affidavit_{name}", text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()) -> Histogram:
    return Histogram(f"affidavit_{name}", text, labels, buckets=buckets, registry=REGISTRY)


BUILD: Final = Info("affidavit_build", "What runs here: version and role.", registry=REGISTRY)

# The API.
HTTP_SECONDS: Final = _histogram(
    "http_request_duration_seconds",
    "From the head of a request to the end of its response; long polls and streams wait in it.",
    _FAST,
    ("method", "route", "status"),
)
HTTP_ACTIVE: Final = _gauge("http_requests_active", "Requests that are being answered.")
PROBLEMS: Final = _counter("http_problems_total", "Problem documents sent, by their code.", ("code",))
UPLOADED_BYTES: Final = _counter("uploaded_bytes_total", "Bytes of documents that came in.")
SSE_STREAMS: Final = _gauge("sse_streams", "Event streams that are open.")
JOBS_ACCEPTED: Final = _counter(
    "jobs_accepted_total", "Jobs written by submissions, items of batches included."
)

# The queue as the database has it; set at each scrape of an API process.
QUEUE_TASKS: Final = _gauge("queue_tasks", "Tasks by state and priority.", ("state", "priority"))
QUEUE_AGE: Final = _gauge(
    "queue_oldest_seconds", "Age of the oldest task that is due and waits, by priority.", ("priority",)
)
JOBS: Final = _gauge("jobs_unfinished", "Jobs that have not ended, by status.", ("status",))
DELIVERIES_PENDING: Final = _gauge("webhook_deliveries_pending", "Deliveries that are not settled.")
DELIVERY_AGE: Final = _gauge(
    "webhook_delivery_oldest_due_seconds", "How long the oldest due delivery is overdue."
)
GAUGES_FAILED: Final = _counter(
    "database_gauges_failed_total", "Scrapes at which the database did not answer."
)

# Tasks, in the workers.
CLAIMS: Final = _counter("task_claims_total", "Tasks claimed.", ("kind",))
CLAIM_SECONDS: Final = _histogram(
    "task_claim_duration_seconds", "Length of one look for a task, found or not.", _FAST
)
WAIT_SECONDS: Final = _histogram(
    "job_start_wait_seconds", "From acceptance to the first claim of a job, by the database's clock.", _WAIT
)
TASK_SECONDS: Final = _histogram(
    "task_duration_seconds", "From claim to the end of an attempt.", _WORK, ("kind", "outcome")
)
FAILURES: Final = _counter(
    "task_failures_total", "Attempts that failed, by the code of the error.", ("code",)
)
FENCES: Final = _counter("task_fences_total", "Attempts whose task had gone to another worker: discarded.")
HEARTBEATS_FAILED: Final = _counter(
    "task_heartbeats_failed_total", "Heartbeats that did not reach the database."
)
REAPS: Final = _counter("task_reaps_total", "Tasks taken back from workers that went silent.")
POISONED: Final = _counter("jobs_poisoned_total", "Jobs failed because every worker that took them died.")
LATE: Final = _counter("jobs_late_total", "Jobs failed because their deadline passed.")
RUNNING: Final = _gauge("tasks_running", "Tasks that this worker works on.")
SLOTS: Final = _gauge("worker_slots", "Tasks that this worker may run at once.")
JOBS_ENDED: Final = _counter("jobs_ended_total", "Jobs that this process ended, by how.", ("status",))
JOB_SECONDS: Final = _histogram(
    "job_duration_seconds",
    "From acceptance to the result of a job.",
    _WAIT,
    ("operation",),
)

# Reading, in the workers.
PAGES: Final = _counter(
    "pages_read_total", "Pages that children have read, by where their words came from.", ("source",)
)
PAGE_SECONDS: Final = _histogram("page_read_seconds", "Wall time of one page in a child.", _WORK, ("source",))
PAGES_FAILED: Final = _counter("pages_failed_total", "Pages that could not be read.")
CHILDREN: Final = _counter("child_runs_total", "Runs of walled children, by how they ended.", ("ending",))

# Timestamps, in the workers.
TIMESTAMPS: Final = _counter(
    "timestamps_total", "Timestamps of bundles, granted or by the code of what failed.", ("outcome",)
)

# Bundles of evidence, in the workers.
BUNDLES_SEALED: Final = _counter("bundles_sealed_total", "Bundles sealed with results.", ("operation",))
BUNDLE_BYTES: Final = _counter("bundle_bytes_total", "Bytes of the files of these bundles, uncompressed.")
SEAL_SECONDS: Final = _histogram(
    "bundle_seal_seconds", "What a job waits for its bundle, from the child's end to the signature.", _FAST
)

# A language model, in the workers.
MODEL_REQUESTS: Final = _counter(
    "model_requests_total",
    "Requests to the language model, answered or by the code of what failed.",
    ("outcome",),
)
MODEL_SECONDS: Final = _histogram(
    "model_request_seconds", "From a request to its whole reply, retries included.", _WORK
)
MODEL_TOKENS: Final = _counter("model_tokens_total", "Tokens sent and received.", ("direction",))

# Webhooks, in the workers.
ATTEMPTS: Final = _counter(
    "webhook_attempts_total", "Attempts at deliveries, by how they went.", ("outcome",)
)
ATTEMPT_SECONDS: Final = _histogram("webhook_attempt_seconds", "Length of one attempt.", _WORK)
DELIVERY_LAG: Final = _histogram(
    "webhook_delivery_lag_seconds", "From the event to the attempt that delivered it.", _DELIVERY
)
FIRST_ATTEMPT_LAG: Final = _histogram(
    "webhook_first_attempt_lag_seconds", "From the event to the first attempt.", _DELIVERY
)
DEAD_LETTERS: Final = _counter(
    "webhook_dead_letters_total", "Deliveries given up after their last attempt; they may be redelivered."
)
ENDPOINTS_DISABLED: Final = _counter(
    "webhook_endpoints_disabled_total", "Endpoints disabled, by why.", ("reason",)
)

# Storage, in the workers.
BLOBS_COLLECTED: Final = _counter("blobs_collected_total", "Blobs that nobody referenced, erased.")
BLOBS_SCRUBBED: Final = _counter("blobs_scrubbed_total", "Blobs whose hash was checked.")
BLOB_MISMATCHES: Final = _counter("blob_mismatches_total", "Blobs that were damaged or missing at a scrub.")

# What keeps a process going.
SWEEP_SECONDS: Final = _histogram(
    "sweep_duration_seconds", "Length of one round of a sweep.", _WORK, ("sweep",)
)
SWEEPS_FAILED: Final = _counter("sweep_failures_total", "Rounds of sweeps that failed.", ("sweep",))
POOL_WAITS: Final = _histogram(
    "db_pool_wait_seconds", "Waits for a database connection, by those that had to wait.", _FAST
)
POOL_USED: Final = _gauge("db_connections_in_use", "Database connections in use.")
POOL_SIZE: Final = _gauge("db_connections_max", "Database connections that the process may use.")
RINGS: Final = _counter("bell_rings_total", "Rings of the bell, by how they went.", ("outcome",))

PAGE_SOURCES: Final = frozenset({"native", "ocr", "mixed", "blank"})
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,47}\Z")
_MOST_CODES: Final = 150
_codes: set[str] = set()


def code_label(code: str) -> str:
    """Return a code as a label. Some come from behind the walls, so their number is bounded."""
    if code in _codes:
        return code
    if len(_codes) >= _MOST_CODES or not _CODE.match(code):
        return "OTHER"
    _codes.add(code)
    return code


def page_read(source: str, seconds: float) -> None:
    """Count a page that a child has read, in so many seconds of wall time."""
    known = source if source in PAGE_SOURCES else "other"
    PAGES.labels(known).inc()
    PAGE_SECONDS.labels(known).observe(seconds)


@dataclass(slots=True)
class Work:
    """One attempt at a task; whoever knows how it went sets `outcome`."""

    outcome: str = "released"


@contextmanager
def working(kind: str) -> Iterator[Work]:
    """Count a claim, and time the attempt that follows. Cancelling is giving back."""
    CLAIMS.labels(kind).inc()
    RUNNING.inc()
    work, began = Work(), perf_counter()
    try:
        yield work
    finally:
        RUNNING.dec()
        TASK_SECONDS.labels(kind, work.outcome).observe(perf_counter() - began)


class HttpTimes:
    """Counts requests. The children of the histogram are kept, as finding one costs more than using it."""

    def __init__(self) -> None:
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request of a route's template that was answered with this status (0: not at all)."""
        key = (method, route, status // 100)
        child = self._children.get(key)
        if child is None:
            named = f"{key[2]}xx" if key[2] else "none"
            child = self._children[key] = HTTP_SECONDS.labels(method, route, named)
        child.observe(seconds)


HTTP: Final = HttpTimes()


@contextmanager
def sweeping(name: str) -> Iterator[None]:
    """Time one round of a sweep, and count it when it fails."""
    began = perf_counter()
    try:
        yield
    except Exception:
        SWEEPS_FAILED.labels(name).inc()
        raise
    finally:
        SWEEP_SECONDS.labels(name).observe(perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric as it is declared here: its name as it is asked for, and the names of its labels."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


def declared() -> list[Declared]:
    """Return all metrics of ours, for whoever checks what is built on them."""
    found = []
    for metric in globals().values():
        if isinstance(metric, Counter | Gauge | Histogram | Info):
            (family,) = metric.describe()
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            labels = tuple(metric._labelnames)  # noqa: SLF001 - it has no other name
            found.append(Declared(family.name + suffix, family.type, family.documentation, labels))
    return found


def render() -> bytes:
    """Return all metrics as Prometheus reads them."""
    return generate_latest(REGISTRY)
