"""The operations as they are offered: every example is sent to real processes, and does what it says."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from affidavit.api.endpoint import Endpoint
from affidavit.api.endpoints import OPERATIONS
from affidavit.api.examples import FILE_ID, JOB_ID
from affidavit.bundle import keys
from affidavit.bundle.verify import verify
from affidavit.engine import operations
from affidavit.engine.spec import Operation
from tests.api.test_openapi import DOCUMENT, check
from tests.conftest import Servers
from tests.documents import text_pdf
from tests.stack import Stack, running, until

PACKET = text_pdf(
    "Invoice INV-7\nDate: 14 March 2026\nTotal 119.00 EUR",
    "Dear Ms Fell,\nthank you for your order.\nKind regards\nAda Bell",
    "Invoice INV-8\nDate: 15 March 2026\nTotal 20.00 EUR",
)
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
READERS = ("pymupdf", "PIL", "numpy", "rapidfuzz", "babel", "cv2", "onnxruntime", "zxingcpp")
EXAMPLES = [
    pytest.param(endpoint, name, id=f"{endpoint.path}-{name}")
    for endpoint in OPERATIONS
    for name in (endpoint.body.examples if endpoint.body else ())
]


@pytest.fixture(scope="module")
def stack(
    module_database_url: str, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("operations")
    with running(module_database_url, servers.redis_url, folder / "stack") as stack:
        stack.start_worker()
        stack.await_api()
        yield stack


@pytest.fixture(scope="module")
def packet(stack: Stack) -> dict[str, str]:
    """Have a packet read once; later jobs start from it."""
    file = stack.client.post("/v1/files", files={"file": ("packet.pdf", PACKET)}).json()
    answer = stack.client.post("/v1/parse", json={"source": {"file_id": file["id"]}})
    job = stack.await_end(answer.json()["id"])
    assert job["status"] == "completed", job
    return {"job_id": job["id"], "file_id": file["id"]}


def asked(stack: Stack, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Submit and return the job at its end."""
    answer = stack.client.post(path, json=body)
    assert answer.status_code == 202, answer.text
    return stack.await_end(answer.json()["id"])


def result_of(stack: Stack, job: dict[str, Any]) -> dict[str, Any]:
    assert job["status"] == "completed", job["error"]
    found: dict[str, Any] = stack.client.get(f"/v1/jobs/{job['id']}/result").raise_for_status().json()
    return found


def assert_sealed(stack: Stack, job: dict[str, Any]) -> dict[str, Any]:
    """Download the bundle of a job, verify it with no server at hand, and return its manifest."""
    published = stack.client.get("/v1/keys/signing").raise_for_status().content
    path = f"/v1/bundles/{job['bundle_id']}"
    container = stack.client.get(f"{path}/download").raise_for_status().content
    report = verify(io.BytesIO(container), keys.parse(published))
    assert [check for check in report.checks if check.status == "failed"] == []
    passed = {check.name for check in report.checks if check.status == "passed"}
    assert passed >= {"container", "manifest", "entries", "artifact", "statement", "signature", "chunks"}
    manifest = stack.client.get(f"{path}/manifest").raise_for_status().content
    assert hashlib.sha256(manifest).hexdigest() == job["manifest_sha256"]
    found: dict[str, Any] = json.loads(manifest)
    assert (found["job_id"], found["operation"]) == (job["id"], job["operation"])
    return found


def entry_of(endpoint: Endpoint) -> operations.Entry | None:
    return operations.entry_of(Operation(endpoint.handler.__name__))


@pytest.mark.parametrize(("endpoint", "name"), EXAMPLES)
def test_every_example_of_an_operation_does_what_it_says(
    stack: Stack, packet: dict[str, str], endpoint: Endpoint, name: str
) -> None:
    assert endpoint.body is not None
    body = dict(endpoint.body.examples[name]["value"])
    source = body["source"]
    if isinstance(source, str) or "url" in source:
        pytest.skip("its document is on the web, where no test goes")
    named = {JOB_ID: packet["job_id"], FILE_ID: packet["file_id"]}
    body["source"] = {way: named.get(given, given) for way, given in source.items()}
    if "pages" in body.get("options", {}):
        body["options"] = {**body["options"], "pages": "1-3"}
    entry = entry_of(endpoint)

    if entry is not None and entry.needs_model:
        answer = stack.client.post(endpoint.path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "MODEL_NOT_CONFIGURED")
        return

    job = asked(stack, endpoint.path, body)
    result = result_of(stack, job)
    described = DOCUMENT["paths"][endpoint.path]["post"]["responses"]["200"]["content"]["application/json"]
    check(described["schema"], result)
    assert result["operation"] == endpoint.handler.__name__
    assert entry is None or result[entry.member]
    sealed = assert_sealed(stack, job)
    made = [artifact["name"] for artifact in result.get("artifacts") or ()]
    assert [each["name"] for each in sealed["artifacts"] if each["name"].startswith("files/")] == [
        f"files/{name}" for name in made
    ]


def test_every_operation_is_in_the_capabilities_and_has_an_endpoint(stack: Stack) -> None:
    listed = stack.client.get("/v1/capabilities").json()["operations"]

    assert listed == [endpoint.handler.__name__ for endpoint in OPERATIONS]


def test_form_says_the_same_as_json(stack: Stack) -> None:
    fields = {"steps": '[{"operation": "parse"}]'}

    answer = stack.client.post("/v1/pipeline", files={"file": ("a.txt", b"Total 119.00")}, data=fields)

    assert result_of(stack, stack.await_end(answer.json()["id"]))["steps"][0]["operation"] == "parse"


def test_unknown_parameters_are_refused_by_name(stack: Stack) -> None:
    step = {"operation": "extract", "schema": {"type": "strin"}}
    bad = {"source": {"text": "x"}, "steps": [{"operation": "parse", "colour": 1}], "stpes": []}

    unknown = stack.client.post("/v1/pipeline", json=bad).json()
    wrong = stack.client.post("/v1/pipeline", json={"source": {"text": "x"}, "steps": [step]}).json()
    in_batch = stack.client.post(
        "/v1/jobs", json={"items": [{"operation": "pipeline", "source": {"text": "x"}, "steps": [step]}]}
    ).json()

    assert {error["pointer"] for error in unknown["errors"]} >= {"/steps/0/colour", "/stpes"}
    assert [error["pointer"] for error in wrong["errors"]] == ["/steps/0/schema/type"]
    assert [error["pointer"] for error in in_batch["errors"]] == ["/items/0/steps/0/schema/type"]


def test_later_job_reads_no_page_of_an_earlier_one_again(stack: Stack, packet: dict[str, str]) -> None:
    before = stack.rows("SELECT count(*) AS n FROM page_checkpoints")

    job = asked(stack, "/v1/extract", {"source": {"job_id": packet["job_id"]}, "schema": SCHEMA})

    assert result_of(stack, job)["data"]["total"] is not None
    assert job["file_id"] == packet["file_id"]
    assert stack.rows("SELECT count(*) AS n FROM page_checkpoints") == before
    (read,) = stack.rows("SELECT sum(pages_read) AS pages FROM job_tasks WHERE job_id = $1", job["id"])
    assert read["pages"] == 0


def test_later_job_reads_as_the_earlier_one_did_unless_it_is_told_otherwise(stack: Stack) -> None:
    options = {"pages": "2-3", "ocr": {"mode": "never"}, "words": True}
    encoded = {"base64": base64.b64encode(PACKET).decode(), "filename": "packet.pdf"}
    first = asked(stack, "/v1/parse", {"source": encoded, "options": options})

    as_it_was = asked(stack, "/v1/parse", {"source": {"job_id": first["id"]}})
    other = asked(
        stack, "/v1/parse", {"source": {"job_id": first["id"]}, "options": {"pages": "1"}, "priority": "low"}
    )

    pages = [[page["number"] for page in result_of(stack, job)["pages"]] for job in (as_it_was, other)]
    assert pages == [[2, 3], [1]]
    assert result_of(stack, as_it_was)["pages"][0]["words"] is None  # words is no option of reading


def test_source_whose_job_is_unknown_a_batch_or_erased_is_refused(stack: Stack) -> None:
    item = {"operation": "parse", "source": {"text": "Total 1"}}
    batch = stack.client.post("/v1/jobs", json={"items": [item]}).json()
    gone = asked(stack, "/v1/parse", {"source": {"text": "Total 2"}})
    stack.client.delete(f"/v1/jobs/{gone['id']}/content").raise_for_status()

    answers = [
        stack.client.post("/v1/parse", json={"source": {"job_id": job_id}})
        for job_id in (JOB_ID, "nonsense", batch["id"], gone["id"])
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "NOT_FOUND"),
        (404, "NOT_FOUND"),
        (422, "REQUEST_INVALID"),
        (410, "SOURCE_GONE"),
    ]


def test_request_that_is_sent_again_finds_its_job_though_the_source_is_gone(stack: Stack) -> None:
    first = asked(stack, "/v1/parse", {"source": {"text": "Total 3"}})
    body = {"source": {"job_id": first["id"]}}
    headers = {"Idempotency-Key": "once-more"}
    second = stack.client.post("/v1/parse", json=body, headers=headers).json()
    stack.await_end(second["id"])
    for job_id in (first["id"], second["id"]):
        stack.client.delete(f"/v1/jobs/{job_id}/content").raise_for_status()

    again = stack.client.post("/v1/parse", json=body, headers=headers)

    assert (again.status_code, again.json()["id"]) == (200, second["id"])
    assert again.headers["idempotent-replayed"] == "true"


def test_file_that_a_job_made_is_listed_served_and_a_source_until_it_is_deleted(stack: Stack) -> None:
    endpoint = next(endpoint for endpoint in OPERATIONS if endpoint.path == "/v1/forms")
    assert endpoint.body is not None
    job = asked(stack, endpoint.path, endpoint.body.examples["fill"]["value"])
    path = f"/v1/jobs/{job['id']}/artifacts"
    (listed,) = stack.client.get(path).json()["items"]

    served = stack.client.get(f"{path}/{listed['name']}")
    reread = asked(stack, "/v1/parse", {"source": {"job_id": job["id"], "artifact": listed["name"]}})

    assert job["artifacts"] == [listed] == result_of(stack, job)["artifacts"]
    assert (served.status_code, len(served.content)) == (200, listed["size_bytes"])
    assert served.headers["content-disposition"].startswith("attachment")
    assert served.content.startswith(b"%PDF")
    assert "Ada Bell" in result_of(stack, reread)["markdown"]
    assert stack.client.get(f"{path}/other.pdf").status_code == 404
    unknown = {"source": {"job_id": job["id"], "artifact": "other.pdf"}}
    assert stack.client.post("/v1/parse", json=unknown).status_code == 404

    gone = stack.client.delete(f"/v1/jobs/{job['id']}/content").json()

    assert "artifact" in {purged["kind"] for purged in gone["purged"]}
    assert gone["artifacts"] == []
    assert stack.client.get(f"{path}/{listed['name']}").status_code == 410
    named = {"source": {"job_id": job["id"], "artifact": listed["name"]}}
    assert stack.client.post("/v1/parse", json=named).json()["code"] == "SOURCE_GONE"
    assert stack.rows("SELECT FROM job_artifacts WHERE job_id = $1", job["id"]) == []
    until(
        lambda: not stack.rows("SELECT FROM blob_refs WHERE owner = $1", job["id"]), "its blobs to be let go"
    )


def test_parts_of_a_split_become_jobs_that_read_no_page_again(stack: Stack, packet: dict[str, str]) -> None:
    wishes = {"invoice": {"operation": "extract", "schema": SCHEMA}, "*": {"operation": "parse"}}
    body = {"source": {"job_id": packet["job_id"]}, "child_jobs": wishes, "metadata": {"po": "4711"}}

    job = asked(stack, "/v1/split", body)

    parts = result_of(stack, job)["split"]["parts"]
    batch = stack.await_end(job["child_batch_id"])
    items = stack.client.get("/v1/jobs", params={"parent_id": batch["id"]}).json()["items"][::-1]
    assert [part["topic"] for part in parts] == ["invoice", "letter", "invoice"]
    assert (batch["status"], batch["children"]) == ("completed", {"completed": 3})
    assert [item["operation"] for item in items] == ["extract", "parse", "extract"]
    assert [item["metadata"] for item in items] == [
        {"po": "4711", "part": str(part["number"]), "topic": part["topic"]} for part in parts
    ]
    results = [result_of(stack, item) for item in items]
    assert [[page["number"] for page in result["pages"]] for result in results] == [[1], [2], [3]]
    assert [result["data"] for result in results] == [{"total": 119.0}, None, {"total": 20.0}]
    ids = [item["id"] for item in items]
    (read,) = stack.rows("SELECT sum(pages_read) AS pages FROM job_tasks WHERE job_id = ANY($1)", ids)
    assert read["pages"] == 0
    assert [assert_sealed(stack, item)["pages"]["included"] for item in items] == ["1", "2", "3"]
    assert batch["bundle_id"] is None


def test_child_jobs_that_could_not_be_done_are_refused(stack: Stack) -> None:
    source = {"source": {"text": "x"}}
    wrong = {"invoice": {"operation": "extract", "schema": {"type": "strin"}}}
    unstored = {**source, "child_jobs": {"*": {"operation": "parse"}}, "store": False}

    answers = [
        stack.client.post("/v1/split", json=body) for body in ({**source, "child_jobs": wrong}, unstored)
    ]

    pointers = [[error["pointer"] for error in answer.json()["errors"]] for answer in answers]
    assert pointers == [["/child_jobs/invoice/schema/type"], ["/child_jobs"]]


def test_step_for_the_parts_of_a_split_cites_the_whole_document(stack: Stack, packet: dict[str, str]) -> None:
    steps = [{"operation": "split"}, {"operation": "extract", "for": "invoice", "schema": SCHEMA}]

    job = asked(stack, "/v1/pipeline", {"source": {"job_id": packet["job_id"]}, "steps": steps})

    result = result_of(stack, job)
    runs = result["steps"][1]["runs"]
    assert [(run["part"], run["pages"], run["data"]) for run in runs] == [
        (1, [1], {"total": 119.0}),
        (3, [3], {"total": 20.0}),
    ]
    for run in runs:
        (citation,) = run["fields"]["total"]["citations"]
        start, end = citation["range"]
        assert citation["page"] == run["pages"][0]
        assert result["markdown"][start:end] == citation["quote"]


def test_schema_of_several_documents_is_made_of_what_earlier_jobs_have_read(stack: Stack) -> None:
    bills = [
        "Invoice number: A-1\nTotal: 1.00 EUR",
        "Invoice number: B-2\nTotal: 2.00 EUR\nDue date: 1 May 2026",
    ]
    first, second = (asked(stack, "/v1/parse", {"source": {"text": bill}}) for bill in bills)
    body = {"source": {"job_id": first["id"]}, "job_ids": [second["id"]]}

    job = asked(stack, "/v1/schema", body)

    schema = result_of(stack, job)["generated"]["json_schema"]
    alone = asked(stack, "/v1/schema", {"source": {"job_id": first["id"]}})
    of_one = result_of(stack, alone)["generated"]["json_schema"]
    assert set(schema["properties"]) - set(of_one["properties"]) == {"due_date"}
    (read,) = stack.rows("SELECT sum(pages_read) AS pages FROM job_tasks WHERE job_id = $1", job["id"])
    assert read["pages"] == 0
    stack.client.delete(f"/v1/jobs/{second['id']}/content").raise_for_status()
    assert stack.client.post("/v1/schema", json=body).json()["code"] == "SOURCE_GONE"


def test_process_of_the_api_loads_no_reader_of_documents() -> None:
    """Parameters are judged at the door by shapes alone."""
    code = f"import sys, affidavit.app; print([name for name in {READERS} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_body_schemas_are_schemas() -> None:
    for endpoint in OPERATIONS:
        assert endpoint.body is not None
        assert endpoint.body.model is not None
        Draft202012Validator.check_schema(endpoint.body.model.model_json_schema())
