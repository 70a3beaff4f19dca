"""A worker dies with all bytes of a bundle in the store and none of its rows: nothing half is left."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from affidavit.bundle import keys
from affidavit.bundle.verify import verify
from tests.documents import invoice_pdf
from tests.stack import Stack, until

WAITING = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'bundles'::regclass"


@contextmanager
def nobody_seals(stack: Stack) -> Iterator[None]:
    """Hold up whoever inserts a bundle, which is the last thing that a worker does for a job."""
    locked, release = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(stack.database_url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE bundles IN SHARE ROW EXCLUSIVE MODE")
            locked.set()
            await asyncio.to_thread(release.wait)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    locked.wait()
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_kill_9_of_a_worker_between_blobs_and_commit_leaves_no_half_bundle(stack: Stack) -> None:
    with nobody_seals(stack):
        stack.start_worker("first")
        job_id = stack.submit(invoice_pdf())
        until(lambda: stack.rows(WAITING) != [], "the worker to have put all and to commit")
        stack.kill("first")
    job = stack.job(job_id)
    assert (job["status"], job["bundle_id"], job["manifest_sha256"]) == ("processing", None, None)
    for table in ("bundles", "bundle_artifacts", "bundle_events"):
        assert stack.rows(f"SELECT FROM {table}") == []
    assert stack.rows("SELECT FROM blob_refs WHERE owner LIKE 'ev_%'") == []

    stack.start_worker("second")

    job = stack.await_end(job_id)
    assert job["status"] == "completed"
    (bundle,) = stack.rows("SELECT id, manifest_sha256 FROM bundles")
    assert (job["bundle_id"], job["manifest_sha256"]) == (bundle["id"], bundle["manifest_sha256"])
    published = stack.client.get("/v1/keys/signing").content
    container = stack.client.get(f"/v1/bundles/{bundle['id']}/download").raise_for_status().content
    report = verify(io.BytesIO(container), keys.parse(published))
    assert [check for check in report.checks if check.status == "failed"] == []
    assert {check.name for check in report.checks if check.status == "passed"} >= {
        "container", "manifest", "entries", "artifact", "statement", "signature", "chunks",
    }  # fmt: skip
