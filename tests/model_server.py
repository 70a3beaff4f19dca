"""A language model's server that does what a test tells it: answers, dawdles, lies, breaks off.

It speaks the chat completions of the OpenAI API over HTTP on loopback. Each request is met by the next of
`script`, or by `otherwise` when that is used up.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def instructions(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def text(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def format(self) -> str | None:
        form: dict[str, Any] = self.body.get("response_format") or {}
        return form.get("type")


@dataclass(frozen=True)
class Meeting:
    """One request being met."""

    asked: Asked
    handler: BaseHTTPRequestHandler
    stopping: threading.Event

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        handler = self.handler
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def pieces(self, *pieces: bytes, content_type: str = "text/event-stream") -> None:
        """Send a body whose end is the end of the connection."""
        handler = self.handler
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
        handler.close_connection = True


Act = Callable[[Meeting], None]


def completion(text: str | None, **changes: Any) -> bytes:
    """Return a whole chat completion; `changes` are of its choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    told = {"id": "1", "object": "chat.completion", "model": "scripted-7", "system_fingerprint": "fp_1"}
    return json.dumps(told | {"choices": [choice | changes], "usage": usage}).encode()


def says(text: str | None, **changes: Any) -> Act:
    """Answer with a text."""
    return lambda meeting: meeting.send(200, completion(text, **changes))


def answers(value: Any) -> Act:
    """Answer with a value as JSON."""
    return says(json.dumps(value))


def fails(status: int, **headers: str) -> Act:
    """Answer with a status and nothing else."""
    return lambda meeting: meeting.send(status, b'{"error": {"message": "no"}}', **headers)


def sends(body: bytes, content_type: str = "application/json") -> Act:
    """Answer 200 with these bytes."""
    return lambda meeting: meeting.send(200, body, Content_Type=content_type)


def streams(*texts: str, ends: bool = True) -> Act:
    """Answer in events, one a text; without `ends` the connection breaks after them."""
    events = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts
    ]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    lines = [
        b"data: " + json.dumps(event).encode() + b"\n\n" for event in (*events, *([last] if ends else []))
    ]
    return lambda meeting: meeting.pieces(*lines, *([b"data: [DONE]\n\n"] if ends else []))


def cuts_off(meeting: Meeting) -> None:
    """Announce more than is sent."""
    whole = completion("{}")
    meeting.handler.send_response(200)
    meeting.handler.send_header("Content-Type", "application/json")
    meeting.handler.send_header("Content-Length", str(len(whole) + 100))
    meeting.handler.end_headers()
    meeting.handler.wfile.write(whole[:50])
    meeting.handler.close_connection = True


def hangs(meeting: Meeting) -> None:
    """Say nothing until the server stops."""
    meeting.stopping.wait()
    meeting.handler.close_connection = True


@dataclass
class ModelServer:
    """The server, what it was asked so far, and what it will do."""

    url: str
    script: list[Act] = field(default_factory=list)
    otherwise: Act = field(default_factory=lambda: fails(500))
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def meet(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        asked = Asked(body, {name.lower(): value for name, value in handler.headers.items()})
        with self.lock:
            self.asked.append(asked)
            act = self.script.pop(0) if self.script else self.otherwise
        act(Meeting(asked, handler, self.stopping))


class Quiet(ThreadingHTTPServer):
    """Says nothing of callers that hang up, as they do when their time is over."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        return


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Give a server on a port of loopback, and stop it at the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                server.meet(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    http = Quiet(("127.0.0.1", 0), Handler)
    server = ModelServer(f"http://127.0.0.1:{http.server_port}/v1")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        http.shutdown()
        http.server_close()
        thread.join()
