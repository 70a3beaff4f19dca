"""Jobs whose source is a URL, fetched from a server of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from affidavit.infra.db import Database
from affidavit.infra.fetch import FetchPolicy
from affidavit.jobs.runner import Workshop
from affidavit.jobs.service import Jobs
from affidavit.jobs.status import JobStatus
from affidavit.jobs.submission import UrlRef
from tests.jobs.conftest import ENV, submission, work

DOCUMENT = json.dumps({"pages": 10}).encode()


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """Serve DOCUMENT at /document.pdf, and 404 for anything else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = DOCUMENT if b"GET /document.pdf" in asked else b""
        status = b"200 OK" if body else b"404 Not Found"
        length = str(len(body)).encode()
        writer.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Length: " + length + b"\r\nConnection: close\r\n\r\n" + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}"


@pytest.mark.parametrize("store", [True, False])
async def test_a_url_is_fetched_and_read(
    db: Database, shop: Workshop, jobs: Jobs, site: str, store: bool
) -> None:
    made = (await jobs.submit(ENV, submission(source=UrlRef(f"{site}/document.pdf"), store=store))).job
    await work(shop)
    found = await jobs.get(ENV, made.id)
    assert (found.status, found.pages_done) == (JobStatus.COMPLETED, 10)
    kept = await db.fetch("SELECT FROM blob_refs WHERE owner = $1", found.file_id)
    assert len(kept) == (1 if store else 0)
    assert (await db.fetch("SELECT FROM page_checkpoints") != []) is store


async def test_a_url_that_leads_nowhere_fails_the_job_with_its_own_code(
    db: Database, shop: Workshop, jobs: Jobs, site: str
) -> None:
    made = (await jobs.submit(ENV, submission(source=UrlRef(f"{site}/nothing.pdf")))).job
    await work(shop)
    found = await jobs.get(ENV, made.id)
    assert found.error is not None
    assert (found.error["code"], found.error["phase"], found.file_id) == ("SOURCE_STATUS", "fetch", None)
    assert await db.fetch("SELECT FROM documents") == []


async def test_a_query_is_sealed_until_the_document_is_there(
    db: Database, shop: Workshop, jobs: Jobs, site: str
) -> None:
    asked = f"{site}/document.pdf?signature=canary"
    made = (await jobs.submit(ENV, submission(source=UrlRef(asked)))).job
    (queued,) = await db.fetch("SELECT source FROM jobs")
    await work(shop)
    (ended,) = await db.fetch("SELECT source FROM jobs")

    assert queued["source"]["url"] == ended["source"]["url"] == f"{site}/document.pdf"
    assert bytes.fromhex(queued["source"]["sealed_url"]) == f"{made.id}|{asked}".encode()
    assert "sealed_url" not in ended["source"]
    assert (await jobs.get(ENV, made.id)).status is JobStatus.COMPLETED


async def test_retry_of_a_fetch_that_failed_asks_for_the_whole_url_again(
    db: Database, shop: Workshop, jobs: Jobs, site: str
) -> None:
    asked = f"{site}/nothing.pdf?signature=canary"
    made = (await jobs.submit(ENV, submission(source=UrlRef(asked)))).job
    await work(shop)

    again = (await jobs.retry(ENV, made.id, None)).job

    (row,) = await db.fetch("SELECT source FROM jobs WHERE id = $1", again.id)
    assert bytes.fromhex(row["source"]["sealed_url"]) == f"{again.id}|{asked}".encode()


async def test_a_private_address_is_refused_by_the_worker(shop: Workshop, jobs: Jobs, site: str) -> None:
    made = (await jobs.submit(ENV, submission(source=UrlRef(f"{site}/document.pdf")))).job
    await work(replace(shop, fetching=FetchPolicy(allow_http=True)))
    found = await jobs.get(ENV, made.id)
    assert found.error is not None
    assert found.error["code"] == "SOURCE_ADDRESS_FORBIDDEN"
