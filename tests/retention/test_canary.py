"""Real processes, words that nobody else says, and a search for them everywhere once they were deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import redis

from affidavit.verify import main as verify
from tests.faults.scans import OCR, scan_of_pages
from tests.retention.conftest import TABLES, blobs_below, files_with, make_blobs_old
from tests.stack import Stack, running, until

WORDS = ("Sesquipedalian", "zanzibar", "quokka", "kumquat_price")
UNSTORED_WORDS = ("gallimaufry", "wombat")
SCHEMA = '{"type": "object", "properties": {"kumquat_price": {"type": "number"}}}'


@pytest.fixture
def stack(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stack]:
    with running(
        database_url, redis_url, tmp_path / "stack", result_purge_seconds=0.3, log_level="debug"
    ) as stack:
        stack.start_worker()
        yield stack


def everywhere(stack: Stack, redis_url: str, words: Iterable[str]) -> set[str]:
    """Look for words in every table, in Redis, in every file that the stack has: blobs, scratch, logs."""
    found = files_with(stack.folder, words)
    for table in stack.rows(TABLES):
        for row in stack.rows(f"SELECT t::text AS said FROM {table['name']} t"):
            found |= {
                f"{table['name']}: {word}"
                for word in words
                if word in row["said"] or word.encode().hex() in row["said"]
            }
    with redis.Redis.from_url(redis_url) as bell:
        for key in bell.scan_iter():
            said = key + (bell.dump(key) or b"")
            found |= {f"redis: {word}" for word in words if word.encode() in said}
    return found


def places(found: set[str]) -> set[str]:
    return {place.rsplit(": ", 1)[1] for place in found}


def test_words_of_a_deleted_job_are_nowhere_and_its_tombstone_verifies(
    stack: Stack, redis_url: str, tmp_path: Path
) -> None:
    stack.await_api()
    files = {"file": ("zanzibar.txt", b"Sesquipedalian words.\nTotal 119.00")}
    data = {"schema": SCHEMA, "metadata": '{"po": "quokka"}'}
    job = stack.await_end(stack.client.post("/v1/extract", files=files, data=data).json()["id"])
    assert job["status"] == "completed"
    bundle = f"/v1/bundles/{job['bundle_id']}"
    sealed = stack.client.get(f"{bundle}/download").content
    tell_about(stack, bundle)
    before = everywhere(stack, redis_url, WORDS)
    assert places(before) == set(WORDS), "the search does not find what is there"
    assert {place.partition(":")[0] for place in before} >= {"bundles", "bundle_events", "receipts"}

    gone = stack.client.delete(f"/v1/jobs/{job['id']}/content")

    assert gone.status_code == 200, gone.text
    until(lambda: not left(stack), "the blobs of the deleted job to be collected")
    until(lambda: not everywhere(stack, redis_url, WORDS), "its words to be gone")
    assert stack.client.get(f"{bundle}/download").json()["code"] == "BUNDLE_DELETED"
    kept = {"bundle.zip": sealed, "tombstone.json": stack.client.get(f"{bundle}/tombstone").content}
    assert verdicts(stack, tmp_path / "kept", kept) == {"bundle.zip": 0, "tombstone.json": 0}
    other = kept["tombstone.json"].replace(b'"sig":"', b'"sig":"AAAA', 1)
    assert verdicts(stack, tmp_path / "kept", {"other.json": other}) == {"other.json": 1}


def test_words_of_a_deleted_review_are_nowhere(stack: Stack, redis_url: str) -> None:
    stack.await_api()
    files = {"file": ("a.txt", b"Sesquipedalian words.\nkumquat_price: 119.00")}
    data = {"schema": SCHEMA, "review": '{"threshold": 100}'}
    job_id = stack.client.post("/v1/extract", files=files, data=data).json()["id"]
    until(lambda: stack.job(job_id)["status"] == "review_required", "the review")
    changed = {"path": "kumquat_price", "value": 4711.25}
    decision = {"action": "approve", "version": 1, "reviewer": "gallimaufry", "reason": "wombat"}
    decided = stack.client.post(f"/v1/jobs/{job_id}/review", json={**decision, "corrections": [changed]})
    assert decided.status_code == 200, decided.text
    words = ("Sesquipedalian", "kumquat_price", "4711.25", *UNSTORED_WORDS)
    assert places(everywhere(stack, redis_url, words)) == set(words)
    bundles = [each["id"] for each in stack.client.get(f"/v1/bundles?job_id={job_id}").json()["items"]]
    assert len(bundles) == 2

    gone = stack.client.delete(f"/v1/jobs/{job_id}/content")

    assert gone.status_code == 200, gone.text
    until(lambda: not left(stack), "the blobs of the deleted job to be collected")
    until(lambda: not everywhere(stack, redis_url, words), "its words to be gone")
    assert [stack.client.get(f"/v1/bundles/{each}/tombstone").status_code for each in bundles] == [200, 200]


def test_workers_delete_bundles_whose_time_is_over(stack: Stack, tmp_path: Path) -> None:
    job = stack.await_end(stack.submit(b"Some text", filename="a.txt"))
    bundle = f"/v1/bundles/{job['bundle_id']}"

    stack.rows("ALTER TABLE bundles DISABLE TRIGGER USER")
    stack.rows("UPDATE bundles SET sealed_at = sealed_at - interval '366 days'")
    stack.rows("ALTER TABLE bundles ENABLE TRIGGER USER")

    until(lambda: stack.client.get(bundle).status_code == 410, "the bundle to expire")
    left_of_it = stack.client.get(f"{bundle}/tombstone").content
    assert verdicts(stack, tmp_path / "kept", {"tombstone.json": left_of_it}) == {"tombstone.json": 0}
    assert stack.client.get(f"/v1/jobs/{job['id']}/result").status_code == 200


def test_unstored_job_whose_worker_was_killed_and_that_nobody_read_is_nowhere(
    stack: Stack, redis_url: str
) -> None:
    job_id = stack.submit(
        scan_of_pages(6), filename="gallimaufry.pdf", store="false", metadata='{"po": "wombat"}', options=OCR
    )
    until(lambda: bool(stack.readers("worker")), "a child to read it")
    assert places(everywhere(stack, redis_url, UNSTORED_WORDS)) == set(UNSTORED_WORDS)
    stack.kill("worker")
    stack.start_worker("second")
    assert stack.await_end(job_id)["status"] == "completed"

    hours_pass(stack)

    until(lambda: not left(stack), "the blobs of the job to be collected")
    until(lambda: not everywhere(stack, redis_url, UNSTORED_WORDS), "its words to be erased")
    assert stack.job(job_id)["status"] == "completed"
    assert stack.client.get(f"/v1/jobs/{job_id}/result").status_code == 410
    for table in ("page_checkpoints", "bundles", "bundle_artifacts", "bundle_events", "blob_refs"):
        assert stack.rows(f"SELECT FROM {table}") == [], table


def tell_about(stack: Stack, bundle: str) -> None:
    """Say a word of ours wherever a caller may say something about a bundle."""
    client, word = stack.client, WORDS[2]
    answers = [
        client.put(f"{bundle}/legal-hold", json={"reason": f"held for {word}"}),
        client.delete(f"{bundle}/legal-hold"),
        client.post(f"{bundle}/handoffs", json={"from_agent": word, "to_agent": word, "note": word}),
        client.post(f"{bundle}/history", json={"agent_id": word, "action": word, "query": word}),
    ]
    assert [answer.text for answer in answers if not answer.is_success] == []


def verdicts(stack: Stack, folder: Path, files: Mapping[str, bytes]) -> dict[str, int]:
    """Return how `affidavit verify` ends for each of these files, with the published keys."""
    folder.mkdir(exist_ok=True)
    keys = folder / "keys.json"
    keys.write_bytes(stack.client.get("/v1/keys/signing").content)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: verify([str(folder / name), "--key", str(keys)]) for name in files}


def left(stack: Stack) -> list[Path]:
    """Return the blobs that are left; all of them are old now, and due if nobody needs them."""
    make_blobs_old(stack.folder)
    stack.rows("UPDATE blob_garbage SET erase_at = least(erase_at, now())")
    return blobs_below(stack.folder)


def hours_pass(stack: Stack) -> None:
    """Let the job have ended two hours ago, past the guard that keeps the end of a job as it was."""
    ago = "- interval '2 hours'"
    stack.rows("ALTER TABLE jobs DISABLE TRIGGER USER")
    stack.rows(
        f"UPDATE jobs SET completed_at = completed_at {ago}, result_expires_at = result_expires_at {ago}"
    )
    stack.rows("ALTER TABLE jobs ENABLE TRIGGER USER")
