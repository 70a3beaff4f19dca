"""What is deployed agrees with the code: settings, commands, ports, health checks."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from affidavit.api.endpoints import ENDPOINTS
from affidavit.cli import COMMANDS
from affidavit.settings import Settings, environment_names
from affidavit.stack import _with_own_metrics

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
OWN = {
    name: service for name, service in COMPOSE["services"].items() if service["image"] == "affidavit:local"
}


def spelled(value: Any) -> str:
    """Spell a default as the environment would."""
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_example_names_every_setting_once_with_its_default() -> None:
    listed = re.findall(r"^(# )?(AFFIDAVIT_[A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    fields = {f"AFFIDAVIT_{name.upper()}": field for name, field in Settings.model_fields.items()}
    assert [name for _, name, _ in listed] == list(fields)
    for commented, name, value in listed:
        assert bool(commented) != fields[name].is_required(), f"{name}: defaults are comments"
        if commented:
            computed = fields[name].default_factory is not None
            assert value == ("" if computed else spelled(fields[name].default)), name


def test_example_describes_every_setting() -> None:
    text = re.sub(r"\n# (?!AFFIDAVIT_)", " ", EXAMPLE).replace("# ", "")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description in text, name


def test_example_works_once_the_secret_key_is_set() -> None:
    given: dict[str, Any] = dict(re.findall(r"^AFFIDAVIT_([A-Z_]+)=(.+)$", EXAMPLE, re.MULTILINE))
    Settings(**{name.lower(): value for name, value in given.items()}, secret_key="k" * 32)


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile", ".env.example", "Makefile"])
def test_deployment_names_only_settings_that_exist(file: str) -> None:
    named = set(re.findall(r"AFFIDAVIT_[A-Z_]+", (ROOT / file).read_text()))
    assert named <= environment_names()


def test_settings_given_by_compose_are_valid() -> None:
    for service in OWN.values():
        given: dict[str, Any] = {
            name.removeprefix("AFFIDAVIT_").lower(): re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
            for name, value in service["environment"].items()
        }
        settings = Settings(**(given | {"secret_key": "k" * 32}))
        assert settings.public_url == f"http://127.0.0.1:{settings.port}"


def test_services_run_commands_that_exist() -> None:
    assert {service["command"][0] for service in OWN.values()} == {"serve", "worker", "migrate"}
    image_command = re.search(r'^CMD \["(\w+)"\]', DOCKERFILE, re.MULTILINE)
    assert image_command is not None
    assert image_command[1] in COMMANDS
    assert 'ENTRYPOINT ["affidavit"]' in DOCKERFILE


def test_health_checks_ask_paths_that_are_served_on_the_port_that_is_listened_on() -> None:
    api = OWN["api"]
    port = api["environment"]["AFFIDAVIT_PORT"]
    probes = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", DOCKERFILE + str(api["healthcheck"]["test"]))
    assert probes == [(port, "/livez"), (port, "/readyz")]
    assert {path for _, path in probes} <= {endpoint.path for endpoint in ENDPOINTS}
    assert f"AFFIDAVIT_PORT={port}" in DOCKERFILE
    assert f"EXPOSE {port}" in DOCKERFILE
    assert all(mapping.endswith(f":{port}") for mapping in api["ports"])


def test_api_and_worker_share_blobs_and_keys_and_only_volumes_that_exist_are_used() -> None:
    mounts = {name: service["volumes"] for name, service in OWN.items()}
    assert mounts["api"] == mounts["worker"]
    folders = [OWN["api"]["environment"][f"AFFIDAVIT_{name}_DIR"] for name in ("DATA", "SIGNING_KEY")]
    assert [mount.split(":")[1] for mount in mounts["api"]] == folders
    assert all(f"-g affidavit -m 07{mode}" in DOCKERFILE for mode in ("50 /data", "00 /keys"))
    used = {mount.split(":")[0] for service in COMPOSE["services"].values() for mount in service["volumes"]}
    assert used == set(COMPOSE["volumes"])


def test_everything_waits_for_what_it_needs() -> None:
    for name in ("api", "worker"):
        needs = {other: how["condition"] for other, how in OWN[name]["depends_on"].items()}
        assert needs["migrate"] == "service_completed_successfully"
        assert needs["postgres"] == needs["valkey"] == "service_healthy"
    for name in ("api", "postgres", "valkey"):
        assert COMPOSE["services"][name]["healthcheck"]["test"]


def test_image_runs_as_an_ordinary_user() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert all(user.split(":")[0] not in {"root", "0"} for user in users)
    assert OWN["api"]["cap_drop"] == ["ALL"]


def test_image_gets_what_it_copies() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        copied.update(line.split()[:-1])
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_profile_scale_runs_three_workers_that_are_all_alike() -> None:
    worker, more = OWN["worker"], OWN["more-workers"]
    assert more["profiles"] == ["scale"]
    assert 1 + more["deploy"]["replicas"] == 3
    assert {name: value for name, value in more.items() if name not in {"profiles", "deploy"}} == worker


def test_health_of_a_worker_is_asked_where_it_listens_and_nothing_of_it_is_published() -> None:
    worker = OWN["worker"]
    port = worker["environment"]["AFFIDAVIT_METRICS_PORT"]
    assert f"http://127.0.0.1:{port}/livez" in str(worker["healthcheck"]["test"])
    assert "ports" not in worker
    assert not any(str(port) in mapping for mapping in OWN["api"]["ports"])


@pytest.mark.parametrize(
    ("given", "expected"), [("9464", ["9464", "9465", "9466"]), ("", ["", "", ""]), ("0", ["0"] * 3)]
)
def test_processes_of_one_machine_listen_for_scrapers_on_ports_of_their_own(
    given: str, expected: list[str]
) -> None:
    found = [_with_own_metrics({"AFFIDAVIT_METRICS_PORT": given}, number) for number in range(3)]
    assert [environment["AFFIDAVIT_METRICS_PORT"] for environment in found] == expected


def has_compose() -> bool:
    docker = shutil.which("docker")
    return docker is not None and (
        subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
def test_compose_accepts_the_file() -> None:
    done = subprocess.run(
        ["docker", "compose", "config", "--quiet"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
