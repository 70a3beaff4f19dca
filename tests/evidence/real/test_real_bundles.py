"""Bundles of real jobs: what the engine reads is sealed so that two verifiers find nothing wrong with it."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from affidavit.accounts.principal import Scope
from affidavit.accounts.service import Accounts
from affidavit.api.endpoints import OPERATIONS
from affidavit.api.examples import FILE_ID, JOB_ID
from affidavit.bundle import container, keys
from affidavit.bundle.report import Status
from affidavit.bundle.verify import verify
from affidavit.engine import operations
from affidavit.engine.spec import Operation
from affidavit.infra.db import Database
from tests.api.test_operations import PACKET
from tests.bundle import second_verifier
from tests.documents import invoice_pdf, scanned_invoice_pdf, text_pdf
from tests.stack import SECRET_KEY, Stack, until

SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"amount": {"type": "number"}}}},
    },
}
DOCUMENTS = {
    "invoice.pdf": invoice_pdf(),
    "scan.pdf": scanned_invoice_pdf(),
    "packet.pdf": PACKET,
    "Квитанция № 7.txt": "Квитанция 4711\n\n119,00 EUR \N{RECEIPT}".encode(),
    "blank.pdf": text_pdf(""),
}
OF_A_JOB = ("bundle_id", "job_id", "times")


@dataclass(frozen=True)
class Caller:
    """A client with a key of an environment of its own."""

    stack: Stack
    client: httpx.Client

    def submit(self, path: str, **given: Any) -> str:
        answer = self.client.post(path, **given)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        done = ("completed", "failed", "canceled", "review_required")
        until(lambda: self._get(job_id)["status"] in done, f"the end of {job_id}")
        return self._get(job_id)

    def _get(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return found

    def bundle(self, job_id: str) -> bytes:
        job = self.job(job_id)
        assert job["status"] == "completed", job["error"]
        return self.client.get(f"/v1/bundles/{job['bundle_id']}/download").raise_for_status().content


def caller(stack: Stack, environment: str) -> Caller:
    async def key() -> str:
        db = Database(stack.database_url, pool_size=1)
        await db.open()
        try:
            made = await Accounts(db, SECRET_KEY).create_key(
                environment=environment, name="test", scopes=list(Scope)
            )
        finally:
            await db.close()
        return made.text

    headers = {"Authorization": f"Bearer {asyncio.run(key())}"}
    return Caller(stack, httpx.Client(base_url=stack.url, headers=headers, timeout=60))


def trusted(stack: Stack) -> bytes:
    return stack.client.get("/v1/keys/signing").raise_for_status().content


def assert_sound(data: bytes, published: bytes) -> None:
    """Have both verifiers look."""
    known = keys.parse(published)
    report = verify(io.BytesIO(data), known)
    assert [check for check in report.checks if check.status is Status.FAILED] == []
    assert report.verdict is Status.PASSED, report.checks
    second = {id_: (key.public, key.retired_at) for id_, key in known.items()}
    assert second_verifier.verify(data, second) == ("passed", None)


def test_every_example_of_every_operation_is_sealed_soundly(stack: Stack) -> None:
    by_us = Caller(stack, stack.client)
    file_id = stack.client.post("/v1/files", files={"file": ("packet.pdf", PACKET)}).json()["id"]
    read = by_us.submit("/v1/parse", json={"source": {"file_id": file_id}})
    by_us.job(read)
    jobs = {}
    for endpoint in OPERATIONS:
        entry = operations.entry_of(Operation(endpoint.handler.__name__))
        if endpoint.body is None or (entry is not None and entry.needs_model):
            continue
        for name, example in endpoint.body.examples.items():
            body = dict(example["value"])
            if isinstance(body["source"], str) or "url" in body["source"]:
                continue  # its document is on the web, where no test goes
            named = {JOB_ID: read, FILE_ID: file_id}
            body["source"] = {way: named.get(given, given) for way, given in body["source"].items()}
            if "pages" in body.get("options", {}):
                body["options"] = {**body["options"], "pages": "1-3"}
            jobs[f"{endpoint.path} {name}"] = by_us.submit(endpoint.path, json=body)
    published = trusted(stack)
    cited = 0
    for name, job_id in jobs.items():
        job = by_us.job(job_id)
        if job["bundle_id"] is None:
            assert job["status"] == "failed", (name, job)
            continue
        data = by_us.client.get(f"/v1/bundles/{job['bundle_id']}/download").raise_for_status().content
        assert_sound(data, published)
        cited += b'"quote"' in data
    assert len(jobs) > 10
    assert cited > 5


def test_sealing_twice_gives_the_same_bytes_but_for_times_and_ids(stack: Stack) -> None:
    """The second time in another environment, which shares no page that was read before."""
    callers = [caller(stack, "one"), caller(stack, "two")]
    given = {"schema": json.dumps(SCHEMA)}
    jobs = {
        name: [each.submit("/v1/extract", files={"file": (name, data)}, data=given) for each in callers]
        for name, data in DOCUMENTS.items()
    }
    published = trusted(stack)
    for ids in jobs.values():
        first, second = (each.bundle(job_id) for each, job_id in zip(callers, ids, strict=True))
        assert_sound(first, published)
        assert_sound(second, published)
        assert without_times_and_ids(first) == without_times_and_ids(second)


def without_times_and_ids(data: bytes) -> list[tuple[str, object]]:
    """Return all files of the core in order; of the manifest what the inputs alone decide."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [(name, archive.read(name)) for name in archive.namelist() if not name.startswith("proofs/")]
    manifest = json.loads(files[0][1])
    for moment in manifest["times"].values():
        datetime.fromisoformat(moment)
    kept = {name: value for name, value in manifest.items() if name not in OF_A_JOB}
    return [("manifest.json", kept), *files[2:]]


def test_download_is_the_container_that_the_entries_decide(stack: Stack) -> None:
    """A stranger with the files alone, their order and names, makes the same ZIP to the byte."""
    by_us = Caller(stack, stack.client)
    job_id = by_us.submit("/v1/parse", files={"file": ("a.txt", b"Total 119.00")})
    data = by_us.bundle(job_id)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [(info, archive.read(info)) for info in archive.infolist()]

    plan = container.Plan([container.Entry(info.filename, len(file), info.CRC) for info, file in files])

    assert b"".join(plan.head(n) + file for n, (_, file) in enumerate(files)) + plan.tail() == data
