"""A result that a person has to look at: held back, corrected, approved, rejected, erased; over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.documents import INVOICE, Invoice, invoice_pdf
from tests.faults.site import Site
from tests.stack import until

SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number"},
        "note": {"type": "string", "pattern": "^(a+)+$"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"quantity": {"type": "number"}}},
        },
    },
    "required": ["invoice_number", "total"],
}
EVERY = {"threshold": 100}  # nothing that rules find is certain


def submit(site: Site, data: bytes, **more: object) -> httpx.Response:
    site.stack.await_api()
    fields = {"schema": json.dumps(SCHEMA)} | {name: json.dumps(value) for name, value in more.items()}
    files = {"file": ("a.pdf", data)}
    return site.stack.client.post("/v1/extract", files=files, data=fields)


def held(site: Site, data: bytes | None = None) -> str:
    """Submit a document and wait until it waits for a person."""
    answer = submit(site, data or invoice_pdf(), review=EVERY)
    assert answer.status_code == 202, answer.text
    job_id = str(answer.json()["id"])
    until(lambda: site.stack.job(job_id)["status"] == "review_required", "the job to wait for a review")
    return job_id


def act(site: Site, job_id: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return site.stack.client.post(f"/v1/jobs/{job_id}/review", json=body, headers=headers)


def result(site: Site, job_id: str, version: str = "final") -> httpx.Response:
    return site.stack.client.get(f"/v1/jobs/{job_id}/result", params={"version": version})


def events(site: Site, job_id: str) -> list[str]:
    rows = site.stack.rows("SELECT status FROM job_events WHERE job_id = $1 ORDER BY seq", job_id)
    return [row["status"] for row in rows]


def test_a_doubtful_result_waits_and_is_what_it_was_after_the_approval(site: Site) -> None:
    job_id = held(site)
    job = site.stack.job(job_id)
    assert job["result_available"] is False
    assert job["review"]["status"] == "pending"
    assert job["review"]["flagged"] > 0
    assert result(site, job_id).json()["code"] == "REVIEW_REQUIRED"
    machine = result(site, job_id, "machine")
    assert machine.json()["data"]["total"] == 455.4
    approved = act(site, job_id, {"action": "approve", "version": 1, "reviewer": "Ada"})
    assert approved.status_code == 200, approved.text
    assert approved.json()["status"] == "completed"
    assert approved.json()["review"]["reviewer"] == "Ada"
    assert result(site, job_id).content == machine.content
    assert events(site, job_id) == ["queued", "processing", "review_required", "completed"]


def test_corrections_are_kept_apart_from_what_the_machine_said(site: Site) -> None:
    job_id = held(site)
    before = result(site, job_id, "machine").json()
    first = [{"path": "lines[1]", "remove": True}]
    corrected = act(site, job_id, {"action": "correct", "version": 1, "corrections": first})
    assert corrected.status_code == 200, corrected.text
    assert (corrected.json()["status"], corrected.json()["review"]["version"]) == ("review_required", 2)
    second = [{"path": "total", "value": 379.5, "citation": {"quote": "379.50"}}]
    approved = act(site, job_id, {"action": "approve", "version": 2, "corrections": second, "reviewer": "Bo"})
    assert approved.json()["status"] == "completed", approved.text
    final = result(site, job_id).json()
    assert final["data"]["total"] == 379.5
    assert len(final["data"]["lines"]) == len(before["data"]["lines"]) - 1
    assert "379.50" in final["fields"]["total"]["citations"][0]["quote"]
    assert final["review"]["corrected"]["total"]["value"] == 455.4
    assert result(site, job_id, "machine").json() == before
    review = site.stack.client.get(f"/v1/jobs/{job_id}/review").json()
    assert [(each["action"], each["version"]) for each in review["actions"]] == [
        ("correct", 2),
        ("approve", 3),
    ]
    assert review["actions"][1]["reviewer"] == "Bo"


def test_a_rejection_fails_the_job_by_name(site: Site) -> None:
    job_id = held(site)
    rejected = act(site, job_id, {"action": "reject", "version": 1, "reason": "It is a quote."})
    assert rejected.json()["status"] == "failed"
    assert rejected.json()["error"]["code"] == "REVIEW_REJECTED"
    assert result(site, job_id).json()["code"] == "JOB_FAILED"
    review = site.stack.client.get(f"/v1/jobs/{job_id}/review").json()
    assert review["actions"][0]["reason"] == "It is a quote."


def test_of_two_who_decide_at_once_one_does(site: Site) -> None:
    job_id = held(site)
    bodies = [{"action": "approve", "version": 1}, {"action": "reject", "version": 1}] * 4
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: act(site, job_id, body), bodies))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "REVIEW_NOT_PENDING",
        "REVIEW_CHANGED",
    }
    assert len(events(site, job_id)) == 4


def test_who_has_seen_an_older_version_changes_nothing(site: Site) -> None:
    job_id = held(site)
    correction = {"action": "correct", "version": 1, "corrections": [{"path": "total", "value": 1}]}
    assert act(site, job_id, correction).status_code == 200
    late = act(site, job_id, {"action": "approve", "version": 1})
    assert (late.status_code, late.json()["code"]) == (409, "REVIEW_CHANGED")
    assert site.stack.job(job_id)["status"] == "review_required"


def test_a_repeated_decision_is_answered_as_the_first(site: Site) -> None:
    job_id = held(site)
    body = {"action": "approve", "version": 1}
    first = act(site, job_id, body, **{"Idempotency-Key": "approve-once"})
    again = act(site, job_id, body, **{"Idempotency-Key": "approve-once"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotent-replayed"] == "true"
    other = act(site, job_id, {"action": "reject", "version": 1}, **{"Idempotency-Key": "approve-once"})
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("correction", "why"),
    [
        ({"path": "total", "value": "much"}, "type number"),
        ({"path": "nothing", "value": 1}, "no field"),
    ],
)
def test_a_correction_that_does_not_fit_is_refused_and_nothing_is_kept(
    site: Site, correction: dict[str, Any], why: str
) -> None:
    job_id = held(site)
    answer = act(site, job_id, {"action": "approve", "version": 1, "corrections": [correction]})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "REVIEW_CORRECTIONS_INVALID"
    (error,) = answer.json()["errors"]
    assert error["pointer"] == correction["path"]
    assert why in error["message"]
    assert site.stack.job(job_id)["review"]["version"] == 1


def test_a_pattern_without_end_is_told_as_not_checked(site: Site) -> None:
    job_id = held(site)
    endless = [{"path": "note", "value": "a" * 40 + "b"}]
    answer = act(site, job_id, {"action": "approve", "version": 1, "corrections": endless})
    assert answer.json()["status"] == "completed", answer.text
    (violation,) = result(site, job_id).json()["schema_violations"]
    assert "could not be checked" in violation["message"]


def test_a_sure_result_waits_for_nobody(site: Site) -> None:
    answer = submit(site, invoice_pdf(), review={"threshold": 1})
    assert site.stack.await_end(answer.json()["id"])["status"] == "completed"
    assert site.stack.job(answer.json()["id"])["review"] is None
    assert result(site, answer.json()["id"], "machine").json()["code"] == "REVIEW_NOT_PENDING"


def test_a_review_needs_a_result_that_is_stored(site: Site) -> None:
    answer = submit(site, invoice_pdf(), review=EVERY, store=False)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/review"


def test_deleting_a_job_leaves_nothing_of_its_review(site: Site) -> None:
    canary = "Zebrafinch"
    job_id = held(site, invoice_pdf(Invoice(**{**vars(INVOICE), "seller": f"{canary} Ltd"})))
    correction = [{"path": "invoice_number", "value": f"{canary} 17"}]
    done = act(
        site,
        job_id,
        {"action": "approve", "version": 1, "corrections": correction, "reviewer": canary, "reason": canary},
    )
    assert done.json()["status"] == "completed", done.text
    machine = site.stack.rows("SELECT machine_sha256 FROM reviews WHERE job_id = $1", job_id)[0]
    deleted = site.stack.client.delete(f"/v1/jobs/{job_id}/content")
    assert deleted.status_code == 200, deleted.text
    for table in ("jobs", "reviews", "review_actions"):
        rows = site.stack.rows(f"SELECT row_to_json(t)::text AS row FROM {table} t")
        assert not [row for row in rows if canary in row["row"]]
    owners = site.stack.rows("SELECT owner FROM blob_refs WHERE sha256 = $1", machine["machine_sha256"])
    doomed = site.stack.rows("SELECT FROM blob_garbage WHERE sha256 = $1", machine["machine_sha256"])
    assert (owners, len(doomed)) == ([], 1)
    tombstone = deleted.json()["purged"]
    assert machine["machine_sha256"] in json.dumps(tombstone)
