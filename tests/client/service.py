"""A small service on loopback that keeps files and jobs, and fails where its script says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NOW = "2026-11-22T05:00:00Z"
KEY = "afd_test"


@dataclass
class Fault:
    """What goes wrong with one request. `drop` closes the connection, before or after the work."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    code: str = "UNAVAILABLE"
    drop: str = ""
    raw: bytes | None = None


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """State shared by all requests. `polls` is how many GETs a job takes to end."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    forms: list[dict[str, Any]] = field(default_factory=list)
    polls: int = 1
    ending: str = "completed"
    holds: bool = True
    hint_ms: int = 20
    sync_works: bool = True
    streams: list[bytes] = field(default_factory=list)

    def posts(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == "POST"]

    def new_job(self, key: str, **about: Any) -> dict[str, Any]:
        if key in self.keys:
            return self.jobs[self.keys[key]]
        job_id = f"job_{len(self.jobs):026d}"
        self.keys[key] = job_id
        self.jobs[job_id] = {
            "id": job_id, "kind": "job", "operation": "extract", "status": "queued", "created_at": NOW,
            "progress": {"percent": 0, "stage": None, "message": None, "pages": {"total": 2, "done": 0}},
            "retry_after_ms": self.hint_ms, "metadata": {}, "polled": 0, "a_later_member": True, **about,
        }  # fmt: skip
        return self.jobs[job_id]

    def advance(self, job: dict[str, Any]) -> None:
        job["polled"] += 1
        job["progress"] = {
            **job["progress"],
            "percent": min(100, 100 * job["polled"] // self.polls),
            "stage": "ocr",
        }
        job["status"] = self.ending if job["polled"] >= self.polls else "processing"
        if job["status"] != "processing":
            job["retry_after_ms"] = None
        if job["status"] == "failed":
            job["error"] = {"code": "CORRUPT_DOCUMENT", "message": "damaged", "category": "input"}


RESULT = {
    "operation": "extract", "markdown": "# Größe", "data": {"total": 119.0}, "pages": [{"number": 1}],
    "fields": {"total": {"value": 119.0, "confidence": 97, "citations": [
        {"page": 1, "box": [1, 2, 3, 4], "quote": "119,00", "match": "exact", "words": ["p1.w8"]}]}},
    "completeness": {"ok": True}, "a_later_member": 1,
}  # fmt: skip


def parts_of(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Read multipart with the standard library, which shares no code with the client."""
    text = f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body
    form: dict[str, Any] = {}
    for part in BytesParser().parsebytes(text).walk():
        if part.is_multipart():
            continue
        form[name_of(part)] = part.get_payload(decode=True)
        if part.get_filename():
            form["filename"] = part.get_filename()
            form["media_type"] = part.get_content_type()
    return form


def name_of(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        fault = self.service.faults.pop(0) if self.service.faults else Fault()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(self.command, parts.path, query, headers, body)
        self.service.seen.append(seen)
        if fault.drop == "before":
            self.close_connection = True
            return
        if fault.raw is not None:
            self._send(fault.status, fault.raw, {"Content-Type": "text/html", **fault.headers})
            return
        if fault.status:
            self.problem(fault.status, fault.code, fault.headers)
            return
        if headers.get("authorization") != f"Bearer {KEY}":
            self.problem(401, "UNAUTHENTICATED")
            return
        with_answer = not fault.drop
        self.answer(seen, silent=not with_answer)
        self.close_connection = self.close_connection or not with_answer

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815

    def answer(self, seen: Seen, *, silent: bool) -> None:
        status, body, headers = self.work(seen)
        if not silent:
            self._send(status, body, headers)

    def work(self, seen: Seen) -> tuple[int, bytes, dict[str, str]]:  # noqa: C901, PLR0911, PLR0912 - a table
        service = self.service
        match seen.method, seen.path.split("/")[2:]:
            case "POST", ["files"]:
                form = parts_of(seen.headers, seen.body)
                service.forms.append(form)
                return self.json(201, self.store(form, seen.headers["idempotency-key"]))
            case "GET", ["files", _, "pages", number, "image"]:
                return 200, b"RIFF" + number.encode(), {"Content-Type": "image/webp"}
            case "GET", ["files", file_id] if file_id in service.files:
                return self.json(200, service.files[file_id])
            case "DELETE", ["files", _]:
                return 204, b"", {}
            case "POST", ["jobs", job_id, "retry"] if job_id in service.jobs:
                service.forms.append(json.loads(seen.body))
                return self.json(202, service.new_job(seen.headers["idempotency-key"], retry_of=job_id))
            case "GET", ["jobs", job_id, "events"] if job_id in service.jobs:
                return self.stream()
            case "POST", ["parse" | "extract" | "jobs"]:
                return self.accept(seen)
            case "GET", ["jobs"]:
                return self.list_jobs(seen)
            case "GET", ["jobs", job_id] if job_id in service.jobs:
                return self.poll(service.jobs[job_id], float(seen.query.get("wait", 0)))
            case "GET", ["jobs", job_id, "result"] if job_id in service.jobs:
                return self.result(service.jobs[job_id])
            case "DELETE", ["jobs", job_id, "content"]:
                purged = [{"kind": "result", "count": 1, "size_bytes": 7, "sha256": ["0" * 64]}]
                service.jobs[job_id] |= {"deleted_at": NOW, "deleted_by": "key_1", "purged": purged}
                return self.json(200, service.jobs[job_id])
            case "DELETE", ["jobs", job_id]:
                service.jobs[job_id]["status"] = "canceled"
                return self.json(200, service.jobs[job_id])
            case "GET", ["capabilities"]:
                return self.json(200, {"operations": ["parse", "extract"]})
        return self.as_problem(404, "NOT_FOUND")

    def store(self, form: dict[str, Any], key: str) -> dict[str, Any]:
        sha256 = hashlib.sha256(form["file"]).hexdigest()
        file_id = self.service.keys.setdefault(key, f"file_{len(self.service.files):026d}")
        self.service.files[file_id] = {
            "id": file_id, "filename": form["filename"], "media_type": form["media_type"],
            "size_bytes": len(form["file"]), "sha256": sha256, "created_at": NOW,
        }  # fmt: skip
        return self.service.files[file_id]

    def accept(self, seen: Seen) -> tuple[int, bytes, dict[str, str]]:
        if seen.headers["content-type"].startswith("multipart/"):
            self.service.forms.append(parts_of(seen.headers, seen.body))
        else:
            self.service.forms.append(json.loads(seen.body))
        job = self.service.new_job(seen.headers["idempotency-key"])
        if seen.query.get("sync") == "true" and self.service.sync_works:
            return self.json(200, RESULT)
        return self.json(202, job, {"Location": f"/v1/jobs/{job['id']}"})

    def list_jobs(self, seen: Seen) -> tuple[int, bytes, dict[str, str]]:
        start, limit = int(seen.query.get("cursor", 0)), int(seen.query.get("limit", 2))
        jobs = list(self.service.jobs.values())
        following = str(start + limit) if start + limit < len(jobs) else None
        return self.json(200, {"items": jobs[start : start + limit], "next_cursor": following})

    def poll(self, job: dict[str, Any], wait: float) -> tuple[int, bytes, dict[str, str]]:
        self.service.advance(job)
        while self.service.holds and job["status"] == "processing" and wait > 0:
            time.sleep(0.005)
            wait -= 0.005
            self.service.advance(job)
        return self.json(200, job)

    def stream(self) -> tuple[int, bytes, dict[str, str]]:
        """Send the next stream of the script and hang up, as a killed process does; 204 after the last."""
        if not self.service.streams:
            return 204, b"", {}
        self.close_connection = True
        return 200, self.service.streams.pop(0), {"Content-Type": "text/event-stream", "Connection": "close"}

    def result(self, job: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        if job.get("deleted_at"):
            return self.as_problem(410, "RESULT_DELETED")
        match job["status"]:
            case "completed":
                return self.json(200, RESULT)
            case "failed":
                return self.as_problem(409, "JOB_FAILED", job_id=job["id"], job_error=job["error"])
            case "canceled":
                return self.as_problem(409, "JOB_CANCELED", job_id=job["id"])
            case "expired":
                return self.as_problem(410, "RESULT_EXPIRED")
        return self.as_problem(409, "RESULT_NOT_READY", job_id=job["id"])

    def json(
        self, status: int, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        return status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}

    def as_problem(self, status: int, code: str, **members: Any) -> tuple[int, bytes, dict[str, str]]:
        errors = [{"pointer": "/schema", "message": "is wrong"}] if status == 422 else []
        body = {
            "status": status,
            "code": code,
            "title": "T",
            "detail": "Do that.",
            "errors": errors,
            **members,
        }
        return self.json(status, body)

    def problem(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        _, body, _ = self.as_problem(status, code)
        self._send(status, body, {"Content-Type": "application/problem+json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)


@contextlib.contextmanager
def running() -> Iterator[Service]:
    """Serve on a free port of loopback until the block ends."""
    service = Service()
    handler = type("BoundHandler", (Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
