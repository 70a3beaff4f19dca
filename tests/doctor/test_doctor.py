"""The doctor on real servers: well when all is well, and a line with a remedy for each thing that is not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from affidavit.doctor import bell, configuration, database, reading, storage, walls
from affidavit.doctor.command import examine, main
from affidavit.doctor.finding import Level
from affidavit.infra.binaries import locate
from affidavit.infra.bubblewrap import Wrapping
from affidavit.settings import Settings
from tests.conftest import as_service, execute

SECRET = "5f0e9c1d7a2b48369cde0f1a2b3c4d5e6f708192a3b4c5d6"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=as_service(database_url),
        redis_url=redis_url,
        secret_key=SECRET,
        data_dir=tmp_path / "data",
    )


def levels(findings: list, part: str | None = None) -> dict[str, Level]:
    return {each.what: each.level for each in findings if part is None or each.part == part}


def worst(findings: list) -> Level:
    return max((each.level for each in findings), key=list(Level).index)


def about(findings: list, words: str):
    [found] = [each for each in findings if words in each.what]
    return found


@pytest.mark.timeout(120)
async def test_nothing_fails_on_a_good_installation(settings: Settings) -> None:
    findings = await examine(settings)

    assert [each for each in findings if each.level is Level.FAIL] == []
    assert {each.part for each in findings} >= {
        "walls", "settings", "postgres", "isolation", "redis", "blobs", "disk", "ocr", "machine", "scrub",
    }  # fmt: skip
    assert about(findings, "fsync = on").level is Level.OK
    assert about(findings, "profile parse").level is Level.OK


def test_every_finding_that_is_not_well_says_what_to_do(settings: Settings) -> None:
    odd = settings.model_copy(
        update={
            "public_url": "http://documents.example", "fetch_allow_http": True, "webhook_allow_http": True,
            "webhook_schedule_scale": 0.1, "worker_slots": 4096,
        }
    )  # fmt: skip

    findings = configuration.examine(odd)

    weak = [each for each in findings if each.level is not Level.OK]
    assert len(weak) == 5
    assert all(each.remedy for each in weak)
    assert all(not each.remedy for each in findings if each.level is Level.OK)


@pytest.mark.timeout(120)
def test_servers_that_are_away_are_failures_and_secrets_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://canary_user:canary_password@127.0.0.1:1/canary_name",
        "REDIS_URL": "redis://:canary_password@127.0.0.1:1/0",
        "SECRET_KEY": "canary_secret_0123456789_abcdefghij",
        "DATA_DIR": str(tmp_path),
        "BLOB_URL": "s3://canary_bucket/?access_key_id=canary_key&secret_access_key=canary_secret&endpoint=http://127.0.0.1:1&allow_http=true",
    }.items():
        monkeypatch.setenv(f"AFFIDAVIT_{name}", value)

    assert main(["--json"]) == 1

    output = capsys.readouterr()
    assert "canary" not in output.out + output.err
    found = json.loads(output.out)
    assert found["ok"] is False
    failed = {each["part"] for each in found["findings"] if each["level"] == "fail"}
    assert {"postgres", "redis", "blobs"} <= failed


@pytest.fixture
def evicting(tmp_path: Path) -> Iterator[str]:
    """Run a Valkey that may throw rings away."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(locate(readable_by_all=False).valkey), "--port", str(port), "--bind", "127.0.0.1"]
    options = [
        "--maxmemory-policy",
        "allkeys-lru",
        "--maxmemory",
        "100mb",
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as server:
        url = f"redis://127.0.0.1:{port}/0"
        await_answer(url)
        yield url
        server.kill()


def await_answer(url: str) -> None:
    give_up = time.monotonic() + 60
    client = redis.from_url(url)
    while time.monotonic() < give_up:
        try:
            client.ping()
        except redis.ConnectionError:
            continue
        client.close()
        return
    raise AssertionError("Valkey does not answer")


async def test_redis_that_evicts_is_a_failure(evicting: str) -> None:
    findings = await bell.examine(evicting)

    found = about(findings, "maxmemory-policy = allkeys-lru")
    assert found.level is Level.FAIL
    assert "noeviction" in found.remedy


async def test_redis_that_keeps_everything_is_well(redis_url: str) -> None:
    findings = await bell.examine(redis_url)

    assert about(findings, "maxmemory-policy = noeviction").level is Level.OK
    assert worst(findings) is Level.OK


async def test_commit_that_waits_for_no_disk_is_a_warning(database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    await execute(database_url, f"ALTER DATABASE {name} SET synchronous_commit = off")

    findings = await database.examine(as_service(database_url), pool_size=10)

    assert about(findings, "synchronous_commit = off").level is Level.WARN


async def test_pool_that_leaves_no_room_for_other_processes_is_a_warning(database_url: str) -> None:
    findings = await database.examine(as_service(database_url), pool_size=60)

    assert about(findings, "processes of 60 connections").level is Level.WARN


async def test_login_that_owns_the_tables_is_a_warning(database_url: str) -> None:
    findings = await database.examine(database_url, pool_size=10)

    assert Level.WARN in levels(findings, "isolation").values()


async def test_row_level_security_that_is_not_forced_is_a_failure(database_url: str) -> None:
    await execute(database_url, "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY")

    findings = await database.examine(as_service(database_url), pool_size=10)

    assert Level.FAIL in levels(findings, "isolation").values()


async def test_database_without_tables_is_a_failure(empty_database_url: str) -> None:
    findings = await database.examine(empty_database_url, pool_size=10)

    assert Level.FAIL in levels(findings, "isolation").values()


def test_clock_that_is_off_is_a_warning_only_beyond_what_the_answer_took() -> None:
    from datetime import UTC, datetime

    clock = datetime.fromtimestamp(1_000_003, UTC)

    assert database._skew(clock, 1_000_000, 1_000_000.2).level is Level.WARN
    assert database._skew(clock, 1_000_000, 1_000_006.0).level is Level.OK


@pytest.mark.parametrize(("least", "level"), [(1, Level.OK), (1 << 60, Level.FAIL)])
async def test_full_disk_is_a_failure(tmp_path: Path, least: int, level: Level) -> None:
    findings = await storage.examine((tmp_path / "blobs").as_uri(), tmp_path, least)

    assert about(findings, "GB free").level is level


async def test_probe_of_the_blobs_leaves_nothing_behind(tmp_path: Path) -> None:
    findings = await storage.examine((tmp_path / "blobs").as_uri(), tmp_path, 1)

    assert about(findings, "gives back").level is Level.OK
    assert [path for path in (tmp_path / "blobs" / "env").rglob("*") if path.is_file()] == []


async def test_folder_that_anyone_may_write_is_a_warning(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)

    findings = await storage.examine((tmp_path / "blobs").as_uri(), data, 1)

    assert about(findings, "has mode 777").level is Level.WARN


def test_script_in_place_of_tesseract_is_a_warning(tmp_path: Path) -> None:
    script = tmp_path / "tesseract"
    script.write_text("#!/bin/sh\n")

    [found] = reading._scripts((script,))

    assert found.level is Level.WARN


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("--strict",), 1)])
def test_strict_makes_a_warning_a_failure(
    settings: Settings, arguments: tuple[str, ...], status: int
) -> None:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "AFFIDAVIT_DATABASE_URL": settings.database_url,
        "AFFIDAVIT_REDIS_URL": settings.redis_url,
        "AFFIDAVIT_SECRET_KEY": SECRET,
        "AFFIDAVIT_DATA_DIR": str(settings.data_dir),
        "AFFIDAVIT_FETCH_ALLOW_HTTP": "true",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "affidavit.cli", "doctor", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "warn  settings     AFFIDAVIT_FETCH_ALLOW_HTTP is on" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("0 fail")


@pytest.mark.skipif(os.getuid() != 0, reason="only root's children become another user")
async def test_user_that_is_not_there_is_a_failure() -> None:
    findings = await walls.examine("no-such-user-here", Wrapping.NONE, [])

    assert about(findings, "no-such-user-here").level is Level.FAIL
