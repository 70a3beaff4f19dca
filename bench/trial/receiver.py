"""A receiver of webhooks that fails, hangs, hangs up after it has understood, and remembers everything."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

#: What it does with a request, and how often out of a hundred. All but the last three understood it.
MANNERS = {"accept": 76, "drop the answer": 8, "500": 8, "reset": 5, "hang": 3}
HANG_SECONDS = 6.0


@dataclass(slots=True)
class Heard:
    """What came under one webhook-id."""

    bodies: set[bytes] = field(default_factory=set)
    understood: int = 0
    accepted: int = 0
    requests: int = 0


class Receiver:
    """Listens on loopback in threads. Use it as a context. `orders` by path have secrets of their own."""

    def __init__(self, seed: int) -> None:
        self.heard: dict[str, Heard] = defaultdict(Heard)
        self.manners: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._rng = Random(f"receiver {seed}")
        self._lock = threading.Lock()
        self.is_patient = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so named there
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def address(self, order: int) -> dict[str, str]:
        """Return where events of an order go, and the secret that they are signed with."""
        return {"url": f"http://127.0.0.1:{self._server.server_port}/{order}", "secret": secret(order)}

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Read, remember, and answer in one of the manners."""
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        with self._lock:
            manner = self._rng.choices(list(MANNERS), list(MANNERS.values()))[0]
            manner = "accept" if self.is_patient else manner
            self.manners[manner] += 1
            self._remember(request, body, manner)
        request.close_connection = manner != "accept"
        match manner:
            case "accept":
                _answer(request, 204)
            case "500":
                _answer(request, 500)
            case "hang":
                time.sleep(HANG_SECONDS)
            case "reset":
                linger = struct.pack("ii", 1, 0)
                request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                request.connection.close()

    def _remember(self, request: BaseHTTPRequestHandler, body: bytes, manner: str) -> None:
        headers = {name.lower(): text for name, text in request.headers.items()}
        heard = self.heard[headers.get("webhook-id", "")]
        heard.requests += 1
        heard.bodies.add(body)
        heard.understood += manner in ("accept", "drop the answer")
        heard.accepted += manner == "accept"
        try:
            Webhook(secret(int(request.path.strip("/")))).verify(body, headers)
        except (WebhookVerificationError, ValueError) as error:
            self.complaints.append(f"{headers.get('webhook-id')}: {error}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: senders hang up, and so do we."""


def secret(order: int) -> str:
    """Return the secret of an order's webhook."""
    return "whsec_" + base64.b64encode(hashlib.sha256(f"secret {order}".encode()).digest()).decode()


def _answer(request: BaseHTTPRequestHandler, status: int) -> None:
    request.send_response(status)
    request.send_header("content-length", "0")
    request.end_headers()
