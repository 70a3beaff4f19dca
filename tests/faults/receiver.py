"""A receiver of webhooks that does what its script says, one answer after another."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Answer(Enum):
    ACCEPTED = auto()
    FAILED = auto()
    DROPPED = auto()  # understood, and hung up
    HUNG = auto()  # understood, and silent


@dataclass(frozen=True, slots=True)
class Heard:
    """One request; the names of its headers are in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """Listens on loopback. Use it as a context; the last answer of the script is repeated."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.heard: list[Heard] = []
        self._answers = list(answers)
        self._over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        answer = self._answers[min(len(self.heard), len(self._answers) - 1)]
        self.heard.append(Heard({name.lower(): text for name, text in request.headers.items()}, body))
        match answer:
            case Answer.ACCEPTED | Answer.FAILED:
                request.send_response(204 if answer is Answer.ACCEPTED else 500)
                request.send_header("content-length", "0")
                request.end_headers()
            case Answer.DROPPED:
                request.close_connection = True
            case Answer.HUNG:
                self._over.wait(60)
                request.close_connection = True
