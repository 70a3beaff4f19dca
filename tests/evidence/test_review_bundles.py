"""What a person decided is sealed after what the machine said; keys are rotated meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from affidavit.bundle.keys import parse
from affidavit.bundle.report import Report, Status
from affidavit.bundle.verify import verify
from tests.conftest import execute
from tests.documents import invoice_pdf
from tests.faults.site import Site, site_in
from tests.stack import until

SCHEMA = {
    "type": "object",
    "properties": {"invoice_number": {"type": "string"}, "total": {"type": "number"}},
    "required": ["invoice_number", "total"],
}
NOTED = "SELECT type, detail, receipt_id FROM bundle_events WHERE bundle_id = $1 AND type = 'reviewed'"
MAPPED = 64 << 20  # bytes of one mapping that are searched for the key


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_in(tmp_path_factory.mktemp("site")) as site:
        yield site


def held(site: Site, **more: object) -> dict[str, Any]:
    """Submit an invoice and wait until it waits for a person."""
    site.stack.await_api()
    fields = {"schema": SCHEMA, "review": {"threshold": 100}} | more
    answer = site.stack.client.post(
        "/v1/extract",
        files={"file": ("a.pdf", invoice_pdf())},
        data={name: json.dumps(value) for name, value in fields.items()},
    )
    job_id = answer.raise_for_status().json()["id"]
    until(lambda: site.stack.job(job_id)["status"] == "review_required", "the job to wait for a review")
    return site.stack.job(job_id)


def act(site: Site, job: dict[str, Any], **body: object) -> httpx.Response:
    answer = site.stack.client.post(f"/v1/jobs/{job['id']}/review", json={"version": 1, **body})
    assert answer.status_code == 200, answer.text
    return answer


def download(site: Site, bundle_id: str) -> bytes:
    return site.stack.client.get(f"/v1/bundles/{bundle_id}/download").raise_for_status().content


def checked(site: Site, container: bytes) -> Report:
    keys = httpx.get(f"{site.stack.url}/v1/keys/signing").raise_for_status().content
    report = verify(BytesIO(container), parse(keys))
    assert [check for check in report.checks if check.status is Status.FAILED] == []
    assert "signature" in {check.name for check in report.checks if check.status is Status.PASSED}
    return report


def files_of(container: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(container)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def decided(site: Site, before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, bytes], dict]:
    """Hold the bundle of a decision against the machine's; return its files and `reviewed.json`."""
    machine = files_of(download(site, before["bundle_id"]))
    container = download(site, after["bundle_id"])
    report = checked(site, container)
    files = files_of(container)
    assert after["bundle_id"] != before["bundle_id"]
    assert report.subject["manifest_sha256"] == after["manifest_sha256"]
    assert report.subject["parent"] == {
        "bundle_id": before["bundle_id"],
        "manifest_sha256": before["manifest_sha256"],
        "relation": "review",
    }
    kept = {name for name in machine if not name.startswith(("manifest", "proofs"))}
    assert {name: files[name] for name in kept} == {name: machine[name] for name in kept}
    assert {name for name in files if not name.startswith("proofs")} - set(machine) == {"reviewed.json"}
    return files, json.loads(files["reviewed.json"])


def test_an_approval_is_sealed_after_what_the_machine_said(site: Site) -> None:
    before = held(site)

    after = act(site, before, action="approve", reviewer="Ada Lovelace", reason="As on paper.").json()

    _, reviewed = decided(site, before, after)
    [action] = reviewed.pop("actions")
    assert reviewed.pop("decided_at") == action["at"]
    assert reviewed.pop("flagged")
    assert reviewed.pop("key_id") == action["key_id"] == after["review"]["key_id"]
    assert reviewed == {
        "decision": "approved",
        "reviewer": "Ada Lovelace",
        "reason": "As on paper.",
        "threshold": 100,
        "extraction": None,
    }
    assert (action["action"], action["version"], action["corrections"]) == ("approve", 2, [])


def test_corrections_are_sealed_with_what_came_of_them(site: Site) -> None:
    before = held(site)
    first = [{"path": "invoice_number", "value": "A-1"}]
    corrected = act(site, before, action="correct", corrections=first).json()
    assert corrected["bundle_id"] == before["bundle_id"]  # the review goes on, and nothing is sealed
    second = [{"path": "total", "value": 379.5, "citation": {"quote": "379.50"}}]

    after = act(site, before, action="approve", version=2, corrections=second, reviewer="Bo").json()

    files, reviewed = decided(site, before, after)
    final = site.stack.client.get(f"/v1/jobs/{before['id']}/result").json()
    assert reviewed["extraction"]["data"] == final["data"] == {"invoice_number": "A-1", "total": 379.5}
    assert reviewed["extraction"]["fields"] == final["fields"]
    assert set(reviewed["extraction"]) == set(final) - {"markdown", "pages", "tables"}
    assert json.loads(files["extraction.json"])["data"]["total"] == 455.4
    assert [(each["version"], each["action"]) for each in reviewed["actions"]] == [
        (2, "correct"),
        (3, "approve"),
    ]
    cited = {check.entry for check in checked(site, download(site, after["bundle_id"])).checks}
    assert "r1" in cited


def test_a_rejection_is_sealed_too(site: Site) -> None:
    before = held(site)

    after = act(site, before, action="reject", reason="It is a quote.").json()

    assert after["status"] == "failed"
    _, reviewed = decided(site, before, after)
    assert (reviewed["decision"], reviewed["reason"]) == ("rejected", "It is a quote.")
    assert reviewed["extraction"] is None


def test_the_decision_has_a_receipt_and_stands_in_both_histories(site: Site) -> None:
    before = held(site)

    after = act(site, before, action="approve").json()

    receipt = httpx.get(f"{site.stack.url}/v1/receipts/{after['review']['receipt_id']}").json()
    assert (receipt["valid"], receipt["action"]) == (True, "review")
    assert (receipt["bundle_id"], receipt["manifest_sha256"]) == (
        after["bundle_id"],
        after["manifest_sha256"],
    )
    [theirs] = site.stack.rows(NOTED, before["bundle_id"])
    [its] = site.stack.rows(NOTED, after["bundle_id"])
    assert its["detail"] == {"decision": "approved"}
    assert theirs["detail"] == {"decision": "approved", "bundle_id": after["bundle_id"]}
    assert (its["receipt_id"], theirs["receipt_id"]) == (receipt["id"], None)


def test_a_hold_on_the_job_is_one_on_the_bundle_of_its_review(site: Site) -> None:
    before = held(site)
    path = f"/v1/bundles/{before['bundle_id']}/legal-hold"
    site.stack.client.put(path, json={"reason": "a case"}).raise_for_status()

    after = act(site, before, action="approve").json()

    refused = site.stack.client.delete(f"/v1/bundles/{after['bundle_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "LEGAL_HOLD")


def test_of_two_decisions_at_once_one_is_sealed(site: Site) -> None:
    before = held(site)
    bodies = [{"version": 1, "action": action} for action in ("approve", "reject") * 3]

    def send(body: dict[str, Any]) -> int:
        return site.stack.client.post(f"/v1/jobs/{before['id']}/review", json=body).status_code

    with ThreadPoolExecutor(len(bodies)) as pool:
        codes = list(pool.map(send, bodies))

    assert sorted(codes) == [200] + [409] * 5
    sealed = site.stack.rows("SELECT id FROM bundles WHERE job_id = $1", before["id"])
    assert {row["id"] for row in sealed} == {before["bundle_id"], site.stack.job(before["id"])["bundle_id"]}


ALTERATIONS = {
    "digest": "UPDATE bundles SET manifest_sha256 = repeat('0', 64) WHERE id = $1",
    "manifest": "UPDATE bundles SET manifest = overlay(manifest PLACING 'X' FROM 20) WHERE id = $1",
    "file": "UPDATE bundle_artifacts SET sha256 = repeat('0', 64) WHERE bundle_id = $1 AND n = 2",
    "missing": "DELETE FROM bundle_artifacts WHERE bundle_id = $1 AND name = 'document.md'",
    "order": "UPDATE bundle_artifacts SET n = n + 50 WHERE bundle_id = $1 AND n = 2",
    "another": """
        UPDATE bundles a SET manifest = b.manifest, envelope = b.envelope, manifest_sha256 = b.manifest_sha256
        FROM (SELECT * FROM bundles WHERE id <> $1 LIMIT 1) b WHERE a.id = $1""",
    "key": "UPDATE bundles SET envelope = overlay(envelope PLACING 'X' FROM 40) WHERE id = $1",
}


def test_nothing_is_signed_after_a_bundle_that_somebody_has_altered(site: Site) -> None:
    for what, statement in ALTERATIONS.items():
        before = held(site)
        past_the_guards(site, statement.replace("$1", f"'{before['bundle_id']}'"))

        answer = site.stack.client.post(
            f"/v1/jobs/{before['id']}/review", json={"version": 1, "action": "approve"}
        )

        assert (answer.status_code, answer.json().get("code")) == (500, "STORED_BYTES_DAMAGED"), what
        assert site.stack.job(before["id"])["status"] == "review_required"


def past_the_guards(site: Site, statement: str) -> None:
    """Do what somebody with the database can do."""
    asyncio.run(execute(site.stack.database_url, f"SET session_replication_role = replica; {statement}"))


def signing_key_of(site: Site, bundle_id: str) -> str:
    found = site.stack.client.get(f"/v1/bundles/{bundle_id}").raise_for_status().json()
    return str(found["signing_key_id"])


def test_processes_sign_with_a_rotated_key_without_a_restart(site: Site) -> None:
    waiting = held(site)
    old = signing_key_of(site, waiting["bundle_id"])
    container = download(site, waiting["bundle_id"])
    done = subprocess.run(
        [sys.executable, "-m", "affidavit.cli", "signing-keys", "rotate"],
        env=site.stack.environment, cwd=site.stack.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    new = done.stdout.strip()
    assert new != old

    def api_took_it() -> bool:
        made = act(site, held(site), action="approve").json()
        return signing_key_of(site, made["bundle_id"]) == new

    def worker_took_it() -> bool:
        return signing_key_of(site, held(site)["bundle_id"]) == new

    until(api_took_it, "the API to sign with the new key")
    until(worker_took_it, "the worker to sign with the new key")
    checked(site, container)
    checked(site, download(site, waiting["bundle_id"]))
    decided(site, waiting, act(site, waiting, action="approve").json())


def memory_of(process: psutil.Process) -> Iterator[bytes]:
    """Yield what is written in the memory of a process, a mapping at a time."""
    maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
    with Path(f"/proc/{process.pid}/mem").open("rb", 0) as mem:
        for span, rights, *_ in (line.split() for line in maps):
            start, end = (int(part, 16) for part in span.split("-"))
            if "rw" not in rights:
                continue
            try:
                mem.seek(start)
                yield mem.read(min(end - start, MAPPED))
            except (OSError, ValueError, OverflowError):
                continue


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="only root reads the memory of others"
)
def test_the_key_is_in_the_worker_and_not_in_what_opens_documents(site: Site) -> None:
    held(site)
    [pem] = [path.read_bytes() for path in (site.stack.folder / "keys").glob("*.pem")]
    marks = [load_pem_private_key(pem, None).private_bytes_raw(), pem.splitlines()[1]]

    def has_key(process: psutil.Process) -> bool:
        return any(mark in piece for piece in memory_of(process) for mark in marks)

    assert has_key(psutil.Process(site.stack.processes["worker"].pid))
    hosts = site.stack.hosts("worker")
    assert hosts
    for host in hosts:
        assert not has_key(host)
        assert not [each for each in host.open_files() if "keys" in each.path]
        assert not [each for each in host.environ().values() if "keys" in each or "BEGIN" in each]


def test_the_key_is_in_no_log(site: Site) -> None:
    held(site)
    private = [path.read_text() for path in (site.stack.folder / "keys").glob("*.pem")]

    logs = "".join(path.read_text() for path in site.stack.folder.glob("*.log"))

    assert "signing_key.taken" in logs
    assert "PRIVATE KEY" not in logs
    assert not [pem for pem in private if pem.splitlines()[1] in logs]
