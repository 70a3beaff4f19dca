"""What deploy/ says agrees with the code: the chart, the dashboard, the alerts, the scaler's queries.

With helm the chart is linted and rendered, and with kubeconform held against Kubernetes' own schemas; without
them the rest still runs.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest
import yaml

from affidavit.api.endpoints import ENDPOINTS
from affidavit.cli import COMMANDS
from affidavit.infra import metrics
from affidavit.settings import environment_names
from tests.conftest import execute, named

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm" / "affidavit"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
ALL = "\n".join(TEMPLATES.values())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana" / "affidavit.json").read_text())

EVERYTHING: dict[str, Any] = {
    "worker": {
        "autoscaling": {"mode": "keda"},
        "hostUsers": False,
        "doctor": True,
        "tolerations": [{"operator": "Exists"}],
    },
    "api": {"autoscaling": {"enabled": True}, "podAnnotations": {"a": "b"}, "nodeSelector": {"pool": "web"}},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    "storage": {"blobUrl": "", "persistence": {"storageClassName": "nfs"}},
    "metrics": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
    "networkPolicy": {"metricsFrom": [{"podSelector": {}}], "apiFrom": [{"podSelector": {}}]},
    "extraEnv": [{"name": "OTEL_SERVICE_NAME", "value": "documents"}],
    "extraEnvFrom": [{"secretRef": {"name": "s3"}}],
    "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
}
ON_CPU: dict[str, Any] = {
    "worker": {"autoscaling": {"mode": "hpa"}, "strict": False, "podDisruptionBudget": {"enabled": False}},
    "storage": {"blobUrl": "s3://bucket/prefix"},
    "networkPolicy": {"enabled": False},
    "migration": {"enabled": False},
    "serviceAccount": {"create": False},
}
CASES = {"defaults": {}, "everything": EVERYTHING, "on CPU": ON_CPU}

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")


def render(values: dict[str, Any], tmp_path: Path) -> list[dict[str, Any]]:
    given = tmp_path / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    done = run("helm", "template", "documents", str(CHART), "--namespace", "here", "--values", str(given))
    (tmp_path / "rendered.yaml").write_text(done)
    return [document for document in yaml.safe_load_all(done) if document]


def run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pods(rendered: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in rendered:
        if document["kind"] in {"Deployment", "Job"}:
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


# What holds without helm.


def test_values_are_as_their_schema_says() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        {"worker": {**VALUES["worker"], "slots": "many"}},
        {"worker": {**VALUES["worker"], "autoscaling": {"mode": "magic"}}},
        {"publicUrl": "affidavit.example.com"},
        {"settings": {"AFFIDAVIT_SECRET_KEY": "x" * 32}},  # a secret does not belong into values
        {"misspelled": {}},
    ],
)
def test_values_that_are_wrong_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(VALUES | wrong, SCHEMA)


def test_templates_use_only_values_that_exist() -> None:
    for path in sorted(set(re.findall(r"\.Values\.([A-Za-z0-9.]+)", ALL))):
        found: Any = VALUES
        for name in path.split("."):
            assert isinstance(found, dict), path
            assert name in found, path
            found = found[name]


def test_chart_names_only_settings_and_commands_that_exist() -> None:
    text = ALL + (CHART / "values.yaml").read_text()
    assert set(re.findall(r"AFFIDAVIT_[A-Z_]*[A-Z]", text)) <= environment_names()
    commands = re.findall(r"args: \[(\w+)", ALL)
    assert {"serve", "worker", "migrate"} <= set(commands) <= COMMANDS.keys()


def test_probes_ask_for_what_is_served() -> None:
    asked = set(re.findall(r"httpGet: \{ path: (\S+), port: http \}", ALL))
    assert asked == {"/livez", "/readyz"}
    assert asked <= {endpoint.path for endpoint in ENDPOINTS}
    assert set(re.findall(r"httpGet: \{ path: (\S+), port: metrics \}", ALL)) == {"/livez"}


def test_every_block_of_a_template_is_closed() -> None:
    for name, text in TEMPLATES.items():
        opened = re.findall(r"\{\{-? *(?:if|with|range|define)\b", text)
        closed = re.findall(r"\{\{-? *end\b", text)
        assert len(opened) == len(closed), name


def test_dashboard_and_alerts_use_only_metrics_and_labels_that_exist() -> None:
    declared = {metric.name: metric for metric in metrics.declared()}
    for where, expression in expressions():
        named_there = re.findall(r"\b(affidavit_\w+)(?:\{([^}]*)\})?", expression)
        assert named_there or "process_" in expression, (where, expression)
        for name, matchers in named_there:
            metric = declared.get(name) or declared.get(re.sub(r"_(bucket|count|sum)$", "", name))
            assert metric is not None, (where, name)
            assert (metric.kind == "histogram") == (metric.name != name), (where, name)
            labels = set(re.findall(r"(\w+)=", matchers)) - {"job", "instance"}
            assert labels <= {*metric.labels, *({"role", "version"} if metric.kind == "info" else ())}, (
                where,
                name,
            )


def test_dashboard_shows_every_part() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert len(rows) >= 5
    text = json.dumps(DASHBOARD)
    for metric in metrics.declared():
        assert metric.name in text, f"{metric.name} is measured and nowhere shown"


def test_chart_ships_the_same_dashboard_and_alerts() -> None:
    assert json.loads((CHART / "files" / "dashboard.json").read_text()) == DASHBOARD
    assert yaml.safe_load((CHART / "files" / "alerts.yaml").read_text()) == ALERTS


def expressions() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            yield rule["alert"], rule["expr"]


def scaler_queries() -> list[str]:
    return re.findall(r"^SELECT .*$", TEMPLATES["_queries.tpl"], re.MULTILINE)


def test_scaler_can_ask_for_the_age_of_the_queue_and_for_nothing_else(database_url: str) -> None:
    script = (DEPLOY / "postgres" / "scaler.sql").read_text().replace(":password", "'scaler-password'")
    # A role belongs to the cluster, which other tests of this process share.
    script = script.replace("affidavit_scaler", f"scaler_{database_url.rpartition('_')[2]}")
    role = re.search(r"CREATE ROLE (\w+)", script)
    assert role is not None
    asyncio.run(execute(database_url, script))
    asyncio.run(execute(database_url, QUEUED))
    try:
        asyncio.run(ask_as_scaler(database_url, role[1]))
    finally:
        asyncio.run(execute(database_url, f"DROP OWNED BY {role[1]}"))
        asyncio.run(execute(named(database_url, "postgres"), f"DROP ROLE {role[1]}"))


QUEUED = """
INSERT INTO jobs (id, environment_id, operation, status) VALUES ('job_1', 'env_1', 'parse', 'queued');
INSERT INTO job_tasks (id, job_id, environment_id, n, kind, status, created_at, run_after)
VALUES ('task_1', 'job_1', 'env_1', 1, 'read', 'queued', now() - interval '100 s', now() - interval '100 s'),
       ('task_2', 'job_1', 'env_1', 2, 'read', 'queued', now(), now() + interval '1 h'),
       ('task_3', 'job_1', 'env_1', 3, 'read', 'running', now() - interval '900 s', now() - interval '900 s');
"""


async def ask_as_scaler(database_url: str, role: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(f"SET SESSION AUTHORIZATION {role}")
        age, depth = [await connection.fetchval(query) for query in scaler_queries()]
        assert 100 <= age < 900
        assert depth == 1
        for forbidden in ("SELECT id FROM job_tasks", "SELECT count(*) FROM jobs", "DELETE FROM job_tasks"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(forbidden)
    finally:
        await connection.close()


# What helm says.


@needs_helm
def test_helm_lints_the_chart() -> None:
    run("helm", "lint", "--strict", str(CHART))


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_confined(case: str, tmp_path: Path) -> None:
    rendered = render(CASES[case], tmp_path)
    found = dict(pods(rendered))
    assert len(found) == (2 if case == "on CPU" else 3)
    for pod in found.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} <= container["resources"].keys()
            assert {"/data", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_secrets_come_by_reference_and_settings_are_valid(case: str, tmp_path: Path) -> None:
    for name, pod in pods(render(CASES[case], tmp_path)):
        for container in containers(pod):
            environment = {each["name"]: each for each in container["env"]}
            assert len(environment) == len(container["env"]), "a variable is given twice"
            for secret in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
                assert "secretKeyRef" in environment[f"AFFIDAVIT_{secret}"]["valueFrom"]
            assert ("AFFIDAVIT_DATABASE_OWNER_URL" in environment) == ("migrate" in name)
            ours = {key for key in environment if key.startswith("AFFIDAVIT_")}
            assert ours <= environment_names()
            assert all(isinstance(each.get("value", ""), str) for each in container["env"])


@needs_helm
def test_pods_have_the_time_that_their_drain_takes(tmp_path: Path) -> None:
    found = dict(pods(render({"worker": {"drainSeconds": 90}}, tmp_path)))
    worker = found["documents-affidavit-worker"]
    environment = {each["name"]: each.get("value") for each in worker["containers"][0]["env"]}
    assert environment["AFFIDAVIT_DRAIN_SECONDS"] == "90"
    assert worker["terminationGracePeriodSeconds"] > 90


@needs_helm
def test_budgets_and_policies_select_the_pods_that_exist(tmp_path: Path) -> None:
    rendered = render(EVERYTHING, tmp_path)
    labelled = [
        d["spec"]["template"]["metadata"]["labels"] for d in rendered if d["kind"] in {"Deployment", "Job"}
    ]
    selecting = [d for d in rendered if d["kind"] in {"PodDisruptionBudget", "NetworkPolicy", "Service"}]
    assert len(selecting) == 6
    for document in selecting:
        spec = document["spec"]
        wanted = spec.get("podSelector", spec.get("selector"))
        wanted = wanted.get("matchLabels", wanted)
        assert sum(wanted.items() <= labels.items() for labels in labelled) == 1, document["metadata"]["name"]


@needs_helm
@pytest.mark.parametrize("case", ["defaults", "everything"])
def test_workers_reach_public_addresses_and_named_servers_only(case: str, tmp_path: Path) -> None:
    policies = {
        d["metadata"]["name"]: d["spec"]
        for d in render(CASES[case], tmp_path)
        if d["kind"] == "NetworkPolicy"
    }
    worker = policies["documents-affidavit-worker"]
    anywhere = [rule for rule in worker["egress"] if "to" not in rule]
    assert {port["port"] for rule in anywhere for port in rule["ports"]} == {53, 5432, 6379}
    (public,) = [
        rule for rule in worker["egress"] if rule.get("ports") == [{"port": 443, "protocol": "TCP"}]
    ][-1:]
    refused = {block for peer in public["to"] for block in peer["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10"} <= refused
    assert not any("metrics" in str(rule) and "from" not in rule for rule in worker["ingress"])


@needs_helm
def test_migration_is_a_hook_before_the_pods(tmp_path: Path) -> None:
    (job,) = [d for d in render({}, tmp_path) if d["kind"] == "Job"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]  # it is made after the hook


@needs_helm
def test_workers_scale_by_the_age_of_the_queue_or_by_cpu(tmp_path: Path) -> None:
    by_age = {d["kind"]: d for d in render(EVERYTHING, tmp_path)}
    triggers = by_age["ScaledObject"]["spec"]["triggers"]
    assert [trigger["metadata"]["query"] for trigger in triggers] == scaler_queries()
    assert {trigger["type"] for trigger in triggers} == {"postgresql"}
    workers = [d for d in render(EVERYTHING, tmp_path) if d["metadata"]["name"].endswith("-worker")]
    assert all("replicas" not in d["spec"] for d in workers if d["kind"] == "Deployment")
    by_cpu = [d["kind"] for d in render(ON_CPU, tmp_path)]
    assert "HorizontalPodAutoscaler" in by_cpu
    assert "ScaledObject" not in by_cpu


@needs_helm
@pytest.mark.skipif(shutil.which("kubeconform") is None, reason="kubeconform is not installed")
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_knows_all_that_is_rendered(case: str, tmp_path: Path) -> None:
    render(CASES[case], tmp_path)
    # The custom resources of KEDA and the Prometheus operator have no schemas there.
    run("kubeconform", "-strict", "-ignore-missing-schemas", str(tmp_path / "rendered.yaml"))
