"""A timestamp authority on loopback: `openssl ts` behind HTTP, which can be told to misbehave."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Test
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem

signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
ordering = no
tsa_name = no
"""

Answer = tuple[int, bytes]
Act = Callable[["Authority", bytes], Answer]


def openssl(*arguments: str | Path, given: bytes | None = None) -> bytes:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=given, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@dataclass
class Authority:
    """The folder with its keys, and how it meets the next requests. Grants them unless told otherwise."""

    folder: Path
    url: str = ""
    script: list[Act] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def make(self, days: int = 30) -> None:
        """Make a root and an authority under it, good for so many days."""
        (self.folder / "openssl.cnf").write_text(CONFIG.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        self._certify(days, "ca", "/CN=Test Root", "ca")
        root = ("-CA", self.ca_file, "-CAkey", self.folder / "ca.key")
        self._certify(days, "tsa", "/CN=Test Authority", "tsa", *root)

    def _certify(self, days: int, name: str, subject: str, extensions: str, *more: str | Path) -> None:
        configured = ("-config", self.folder / "openssl.cnf", "-extensions", extensions)
        key = (
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            self.folder / f"{name}.key",
        )
        out = ("-days", str(days), "-subj", subject, "-out", self.folder / f"{name}.pem")
        openssl("req", "-x509", *configured, *key, *out, *more)

    def grant(self, request: bytes, *, with_root: bool = False) -> bytes:
        """Answer a request as `openssl ts` does; the root may be sent beside the authority's certificate."""
        with self._lock:  # it counts its serial numbers in a file
            (self.folder / "request.tsq").write_bytes(request)
            configured = ("-config", self.folder / "openssl.cnf", "-section", "tsa_config")
            chain = ("-chain", self.ca_file) if with_root else ()
            return openssl("ts", "-reply", *configured, *chain, "-queryfile", self.folder / "request.tsq")

    def meet(self, request: bytes) -> Answer:
        self.asked.append(request)
        act = self.script.pop(0) if self.script else granted
        return act(self, request)

    def verify(self, data: bytes, response: bytes) -> bool:
        """Tell whether `openssl ts -verify` accepts a response for these bytes."""
        (self.folder / "data").write_bytes(data)
        (self.folder / "response.tsr").write_bytes(response)
        done = subprocess.run(
            ["openssl", "ts", "-verify", "-data", "data", "-in", "response.tsr", "-CAfile", "ca.pem"],
            cwd=self.folder, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        return done.returncode == 0 and b"Verification: OK" in done.stdout + done.stderr


def granted(authority: Authority, request: bytes) -> Answer:
    return 200, authority.grant(request)


def busy(_authority: Authority, _request: bytes) -> Answer:
    return 503, b"later"


def garbled(_authority: Authority, _request: bytes) -> Answer:
    return 200, b"<html>not a timestamp</html>"


def endless(_authority: Authority, _request: bytes) -> Answer:
    return 200, bytes(10_000_000)


def replays(answer: bytes) -> Act:
    return lambda _authority, _request: (200, answer)


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """Serve an authority with a new root on loopback."""
    served = Authority(folder)
    served.make()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            is_query = self.headers["Content-Type"] == "application/timestamp-query"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = served.meet(body) if is_query else (415, b"")
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            try:
                self.wfile.write(answer)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/tsa"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
