"""The client for asyncio: the methods of Client, to be awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar, Unpack

import httpx

from affidavit.client import bundles as calls
from affidavit.client import call
from affidavit.client.bundle_models import Bundle, Verification
from affidavit.client.call import About, Call, Schema, Submission
from affidavit.client.connection import Connection, reply_of, unreached
from affidavit.client.downloading import GOOD, Downloading
from affidavit.client.following import Following
from affidavit.client.models import Event, FileInfo, Job, JobStatus, Result
from affidavit.client.multipart import OnProgress, file_part
from affidavit.client.retry import RetryPolicy
from affidavit.client.source import Source
from affidavit.client.waiting import OnJob, Waiting, settled

T = TypeVar("T")

SYNC_HOLD_SECONDS = 60.0  # on top of the timeout, while the service works on a synchronous call
PATIENT = RetryPolicy()


class AsyncClient:
    """Talks to an Affidavit service. Use it as an asynchronous context manager, or call `aclose`.

    Every method raises ApiError when the service refuses and ConnectionFailed when it cannot be
    reached. What passes by itself is tried again; every POST has an idempotency key, so that a
    second attempt never does anything twice. `base_url` and `api_key` come from AFFIDAVIT_URL and
    AFFIDAVIT_API_KEY when they are not given. `timeout` is the longest silence in seconds.
    """

    def __init__(
        self,
        base_url: str = "",
        api_key: str | None = None,
        *,
        timeout: float = 30,
        retry: RetryPolicy = PATIENT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(base_url, api_key, timeout)
        self._http = httpx.AsyncClient(**self._connection.options(), transport=transport)
        self._retry = retry

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def upload(
        self,
        source: str | Path | bytes | BinaryIO,
        *,
        filename: str | None = None,
        on_progress: OnProgress | None = None,
        idempotency_key: str | None = None,
    ) -> FileInfo:
        """Store a file to use it often. `on_progress` is told of bytes sent, and in all."""
        content = Path(source) if isinstance(source, str) else source
        return await self.send(call.upload(file_part(content, filename), on_progress, idempotency_key))

    async def file(self, file_id: str) -> FileInfo:
        """Look a file up."""
        return await self.send(call.get_file(file_id))

    async def page_image(self, file_id: str, number: int) -> bytes:
        """Return the image (WebP) of a page, from 1, of a file that was read."""
        return await self.send(call.get_page_image(file_id, number))

    async def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        await self.send(call.delete_file(file_id))

    async def submit(
        self,
        submission: Submission,
        *,
        on_upload: OnProgress | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit anything; `parse` and `extract` are shorter ways."""
        return await self.send(call.submit(submission, on_upload, idempotency_key))

    async def parse(
        self,
        source: Source,
        *,
        on_upload: OnProgress | None = None,
        idempotency_key: str | None = None,
        **about: Unpack[About],
    ) -> Job:
        """Have a document read: a path, URL, file id, bytes, open file or Text."""
        return await self.send(call.submit(Submission("parse", source, **about), on_upload, idempotency_key))

    async def extract(
        self,
        source: Source,
        schema: Schema | str,
        *,
        on_upload: OnProgress | None = None,
        idempotency_key: str | None = None,
        **about: Unpack[About],
    ) -> Job:
        """Have a JSON Schema, a pydantic model, or a template by its name, filled from a document."""
        submission = Submission("extract", source, schema, **about)
        return await self.send(call.submit(submission, on_upload, idempotency_key))

    async def run(
        self,
        submission: Submission,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - raises WaitTimeout, which holds the job
        on_upload: OnProgress | None = None,
        idempotency_key: str | None = None,
    ) -> Result:
        """Submit and return the result, in one request when that is quick. Raises as `wait`."""
        found = await self.send(
            call.submit_and_wait(submission, on_upload, idempotency_key, SYNC_HOLD_SECONDS)
        )
        if isinstance(found, Result):
            return found
        return await self.result((await self.wait(found, timeout=timeout)).id)

    async def submit_batch(
        self,
        items: Sequence[Submission],
        *,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit many documents under one parent job; all are accepted, or none.

        Paths and bytes go into the request itself: upload large files first.
        """
        return await self.send(call.submit_batch(items, metadata, idempotency_key))

    async def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return await self.send(call.get_job(job_id))

    async def jobs(
        self,
        *,
        status: JobStatus | str | None = None,
        operation: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        parent_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        page_size: int | None = None,
    ) -> AsyncIterator[Job]:
        """Iterate over jobs, newest first, fetching pages as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.send(
                call.list_jobs(
                    status=status,
                    operation=operation,
                    created_after=created_after,
                    created_before=created_before,
                    parent_id=parent_id,
                    metadata=metadata,
                    limit=page_size,
                    cursor=cursor,
                )
            )
            for job in page.items:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def result(self, job_id: str) -> Result:
        """Return a job's result. Raises JobFailed, JobCanceled, ReviewRequired, ResultExpired."""
        return await self.send(call.get_result(job_id))

    async def machine_result(self, job_id: str) -> Result:
        """Return what was extracted before any review. Raises ApiError for a job that had none."""
        return await self.send(call.get_machine_result(job_id))

    async def review(self, job_id: str) -> dict[str, Any]:
        """Return a job's review: the flagged fields, and who did what when."""
        return await self.send(call.get_review(job_id))

    async def decide(
        self,
        job_id: str,
        action: str,
        *,
        version: int,
        corrections: Sequence[Mapping[str, Any]] = (),
        reviewer: str | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Correct, approve or reject what waits for a review; `version` is that of the review you saw.

        A correction is `{"path", "value", "citation"}`, or `{"path", "remove": True}`.
        """
        body = {
            "action": action,
            "version": version,
            "corrections": [dict(each) for each in corrections],
            "reviewer": reviewer,
            "reason": reason,
        }
        return await self.send(call.decide(job_id, body, idempotency_key))

    async def artifact(self, job_id: str, name: str) -> bytes:
        """Return a file that a job made; `artifacts` of the job names them."""
        return await self.send(call.get_artifact(job_id, name))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return await self.send(call.cancel(job_id))

    async def delete_content(self, job_id: str) -> Job:
        """Erase what an ended job holds, and return what is left: a tombstone that says what was purged."""
        return await self.send(call.delete_content(job_id))

    async def retry(
        self, job_id: str, *, password: str | None = None, idempotency_key: str | None = None
    ) -> Job:
        """Have a job done again that failed, was canceled or lost pages; what was read is not read again.

        Of a batch, the items of that kind. The password was erased when the job ended.
        """
        return await self.send(call.retry(job_id, password, idempotency_key))

    async def events(self, job: Job | str, *, after: int = 0) -> AsyncIterator[Event]:
        """Iterate over what happens to a job until it ends, over as many connections as it takes.

        No transition is missed and none comes twice. `after` is the `seq` of the last one that is
        known already.
        """
        following = Following(job if isinstance(job, str) else job.id, after)
        failed = 0
        while not following.is_over:
            request = following.ask()
            pause: float | None = following.pause_seconds
            try:
                async with self._http.stream(**self._connection.request(request, is_async=True)) as response:
                    if response.status_code == HTTPStatus.NO_CONTENT:
                        return
                    if response.status_code != HTTPStatus.OK:
                        await response.aread()
                        answer = reply_of(response, request)
                        pause = self._retry.after_reply(failed, answer)
                        if pause is None:
                            request.read(answer)  # which raises
                            return
                    else:
                        async for chunk in response.aiter_bytes():
                            for event in following.feed(chunk):
                                failed = -1
                                yield event
            except httpx.TransportError as error:
                pause = self._retry.after_failure(max(failed, 0), error)
                if pause is None:
                    raise unreached(error) from error
            failed += 1
            if pause and not following.is_over:
                await asyncio.sleep(pause)

    async def wait(
        self,
        job: Job | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as for run
        on_progress: OnJob | None = None,
    ) -> Job:
        """Wait until a job has completed or waits for a review; `timeout` in seconds.

        Asks as often as the service's hints say. Raises JobFailed, JobCanceled, WaitTimeout.
        """
        job_id = job if isinstance(job, str) else job.id
        waiting = Waiting(job_id, timeout, on_progress, time.monotonic())
        while True:
            found = await self.send(waiting.ask(time.monotonic()))
            pause = waiting.take(found, time.monotonic())
            if pause is None:
                return settled(found)
            await asyncio.sleep(pause)

    async def bundle(self, bundle_id: str) -> Bundle:
        """Return an evidence bundle; `bundle_id` of a job names it. `bundles` has calls for all else."""
        return await self.send(calls.get(bundle_id))

    async def bundles(
        self, *, job_id: str | None = None, deleted: bool | None = None, page_size: int | None = None
    ) -> AsyncIterator[Bundle]:
        """Iterate over evidence bundles, newest first, fetching pages as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.send(calls.page(job_id=job_id, deleted=deleted, limit=page_size, cursor=cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def verify_bundle(
        self, bundle_id: str, *, quick: bool = False, agent_id: str | None = None
    ) -> Verification:
        """Have a bundle checked as it lies in the store. What does not hold is in `damaged`, not raised."""
        return await self.send(calls.verify(bundle_id, quick=quick, agent_id=agent_id))

    async def download_bundle(
        self, bundle_id: str, target: str | Path, *, form: str = "zip", agent_id: str | None = None
    ) -> Path:
        """Save a bundle to a file, or under its id in a folder, and return the path.

        It streams in flat memory, and goes on where it was when a connection breaks. `form` is zip, which
        `affidavit verify` reads, or bagit. The receipt names `agent_id`, for whom you act.
        """
        failed = 0
        with Downloading(bundle_id, target, form, agent_id) as download:
            while True:
                request = download.ask()
                try:
                    async with self._http.stream(
                        **self._connection.request(request, is_async=True)
                    ) as response:
                        if response.status_code in GOOD:
                            download.begin(response.status_code, response.headers)
                            async for chunk in response.aiter_bytes():
                                download.write(chunk)
                                failed = 0
                            return download.finish()
                        await response.aread()
                        answer = reply_of(response, request)
                        pause = self._retry.after_reply(failed, answer)
                        if pause is None:
                            request.read(answer)  # which raises
                except httpx.TransportError as error:
                    pause = self._retry.after_failure(failed, error)
                    if pause is None:
                        raise unreached(error) from error
                failed += 1
                await asyncio.sleep(pause or 0)

    async def capabilities(self) -> dict[str, Any]:
        """Return what the service can do, and its limits."""
        return await self.send(call.capabilities())

    async def send(self, request: Call[T]) -> T:
        """Send a call, again if need be, and read the answer."""
        for attempt in count():
            try:
                response = await self._http.request(**self._connection.request(request, is_async=True))
            except httpx.TransportError as error:
                pause = self._retry.after_failure(attempt, error)
                if pause is None:
                    raise unreached(error) from error
            else:
                answer = reply_of(response, request)
                pause = self._retry.after_reply(attempt, answer)
                if pause is None:
                    return request.read(answer)
            await asyncio.sleep(pause)
        raise AssertionError("count() does not end")
