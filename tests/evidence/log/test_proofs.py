"""What a job sealed is in the log and has a timestamp soon after, and the download proves both offline."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from affidavit.bundle import keys, merkle
from affidavit.bundle.checkpoint import read_note
from affidavit.bundle.report import Report
from affidavit.bundle.verify import verify
from tests.evidence.authority import Authority, authority
from tests.evidence.log_rows import Rows
from tests.stack import Stack, running, until

PROOFS = {"proofs/log.tlog-proof", "proofs/timestamp.tsr"}


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[Authority]:
    folder = tmp_path / "tsa"
    folder.mkdir()
    with authority(folder) as made:
        yield made


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path, tsa: Authority) -> Iterator[Stack]:
    settings = {
        "timestamp_url": tsa.url,
        "timestamp_ca_file": tsa.ca_file,
        "log_origin": "example.com/v1/log",
    }
    with running(database_url, redis_url, tmp_path / "stack", **settings) as stack:
        yield stack


def sealed(stack: Stack, text: str) -> str:
    job = stack.await_end(stack.submit(text.encode(), filename="a.txt"))
    assert job["status"] == "completed", job
    return str(job["bundle_id"])


def proven(stack: Stack, bundle_id: str) -> bytes:
    """Return the bundle once both proofs are in it."""
    found = b""

    def is_whole() -> bool:
        nonlocal found
        found = stack.client.get(f"/v1/bundles/{bundle_id}/download").raise_for_status().content
        with zipfile.ZipFile(io.BytesIO(found)) as opened:
            return set(opened.namelist()) >= PROOFS

    until(is_whole, f"the proofs of {bundle_id}")
    return found


def checked(stack: Stack, tsa: Authority, bundle: bytes) -> Report:
    trusted = keys.parse(stack.client.get("/v1/keys/signing").content)
    roots = x509.load_pem_x509_certificates(tsa.ca_file.read_bytes())
    return verify(io.BytesIO(bundle), trusted, roots)


def checkpoint(stack: Stack) -> bytes:
    return stack.client.get("/v1/log/checkpoint").raise_for_status().content


def codes(report: Report) -> dict[str, str]:
    return {check.name: check.status for check in report.checks if check.name in ("log", "timestamp")}


async def test_bundles_are_proven_through_a_killed_worker_and_a_rotated_key(
    stack: Stack, tsa: Authority, database_url: str
) -> None:
    stack.start_worker("one")
    stack.start_worker("two")
    first = proven(stack, sealed(stack, "one"))
    before = read_note(checkpoint(stack)).checkpoint
    stack.kill("one")
    rotating = stack.start("rotate", "signing-keys", "rotate")
    assert rotating.wait(30) == 0, stack.log("rotate")
    until(lambda: "signing_key.taken" in stack.log("two").split("worker.started")[-1], "the new key to sign")
    last = sealed(stack, "two")
    second = proven(stack, last)
    after = read_note(checkpoint(stack)).checkpoint

    for bundle in (first, second):
        report = checked(stack, tsa, bundle)
        assert (report.verdict, codes(report)) == ("passed", {"log": "passed", "timestamp": "passed"})
        with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
            assert tsa.verify(opened.read("manifest.dsse.json"), opened.read("proofs/timestamp.tsr"))
    said = stack.client.get(f"/v1/bundles/{last}/verify").raise_for_status().json()
    assert (said["verdict"], [each["status"] for each in said["checks"] if each["name"] == "timestamp"]) == (
        "passed",
        ["passed"],
    )
    grown = stack.client.get("/v1/log/consistency", params={"first": before.size}).json()
    proof = [bytes.fromhex(each) for each in grown["hashes"]]
    assert merkle.is_consistent(before.size, before.root, after.size, after.root, proof)
    rows = Rows(database_url)
    assert len(await rows.entries()) == 2
    assert len(await rows.run("SELECT DISTINCT signing_key_id FROM bundles")) == 2
    stack.start_worker("late", log_origin="example.com/another")
    until(lambda: "worker.started" in stack.log("late"), "the worker to start")
    assert "log.name_kept" in stack.log("late")
