"""Judge the bundles of a run: one for each result, each verified as its receiver would, all in the log."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx

from affidavit.bundle import keys, merkle
from affidavit.bundle.report import Status
from affidavit.bundle.verify import verify
from trial.judgement import Judgement

ONE_EACH = "every result has one bundle"
VERIFIED = "every bundle verifies"
LOGGED = "the log has every bundle, once, without a gap"
AT_ONCE = 4

BUNDLES = "SELECT id, environment_id, job_id, manifest_sha256, log_index FROM bundles"
ENTRIES = "SELECT n, entry FROM log_entries ORDER BY n"
CHECKPOINTS = "SELECT size, root FROM log_checkpoints ORDER BY size"


async def judge(
    connection: asyncpg.Connection[asyncpg.Record], found: Judgement, url: str, api_keys: Mapping[str, str]
) -> None:
    """Add what is wrong with the bundles; `api_keys` are by environment, `url` is an API that is up."""
    bundles = [dict(row) for row in await connection.fetch(BUNDLES)]
    await _judge_owners(connection, found, bundles)
    await _judge_log(connection, found, bundles)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        published = keys.parse((await client.get("/v1/keys/signing")).raise_for_status().content)
        gate = asyncio.Semaphore(AT_ONCE)
        mine = [row for row in bundles if row["environment_id"] in api_keys]
        await asyncio.gather(
            *(
                _judge_one(found, client, gate, row, api_keys[row["environment_id"]], published)
                for row in mine
            )
        )


async def _judge_owners(
    connection: asyncpg.Connection[asyncpg.Record], found: Judgement, bundles: list[dict[str, Any]]
) -> None:
    owned = Counter(row["job_id"] for row in bundles)
    jobs = await connection.fetch("SELECT id, status, store, bundle_id FROM jobs WHERE kind = 'job'")
    by_id = {row["id"]: row for row in bundles}
    for job in jobs:
        due = int(job["status"] == "completed" and job["store"])
        if owned[job["id"]] != due:
            found.against(ONE_EACH, f"{job['id']} {job['status']} has {owned[job['id']]} bundles")
        elif due and (job["bundle_id"] not in by_id or by_id[job["bundle_id"]]["job_id"] != job["id"]):
            found.against(ONE_EACH, f"{job['id']} names {job['bundle_id']}")
    found.counts["bundles"] = len(bundles)


async def _judge_log(
    connection: asyncpg.Connection[asyncpg.Record], found: Judgement, bundles: list[dict[str, Any]]
) -> None:
    entries = await connection.fetch(ENTRIES)
    if [row["n"] for row in entries] != list(range(len(entries))):
        found.against(LOGGED, "the numbers of the entries have a gap")
    places = {bytes(row["entry"]): row["n"] for row in entries}
    if len(places) != len(entries) or len(entries) != len(bundles):
        found.against(
            LOGGED, f"{len(entries)} entries, {len(places)} of them different, {len(bundles)} bundles"
        )
    for row in bundles:
        place = places.get(bytes.fromhex(row["manifest_sha256"]))
        if place is None or place != row["log_index"]:
            found.against(LOGGED, f"{row['id']} stands at {place}, its row says {row['log_index']}")
    frontier = merkle.Frontier()
    roots = {0: frontier.root()}
    for row in entries:
        frontier.append(merkle.leaf_hash(bytes(row["entry"])))
        roots[frontier.size] = frontier.root()
    for row in await connection.fetch(CHECKPOINTS):
        if bytes(row["root"]) != roots.get(row["size"]):
            found.against(LOGGED, f"the checkpoint of {row['size']} has another root")
        found.counts["checkpoints"] += 1


async def _judge_one(
    found: Judgement,
    client: httpx.AsyncClient,
    gate: asyncio.Semaphore,
    row: Mapping[str, Any],
    key: str,
    published: keys.Keys,
) -> None:
    """Download a bundle and verify it here, without the server."""
    async with gate:
        answer = await _download(client, row["id"], key)
        if answer.status_code != httpx.codes.OK:
            found.against(VERIFIED, f"{row['id']}: {answer.status_code} {answer.text[:200]}")
            return
        report = await asyncio.to_thread(verify, io.BytesIO(answer.content), published)
    wrong = [check for check in report.checks if check.status is Status.FAILED]
    is_right = report.verdict is Status.PASSED and not wrong
    has_log = any(check.name == "log" and check.status is Status.PASSED for check in report.checks)
    if not is_right or not has_log or report.subject.get("manifest_sha256") != row["manifest_sha256"]:
        found.against(VERIFIED, f"{row['id']}: {report.verdict} {wrong[:3]} log {has_log}")
    else:
        found.counts["bundles verified offline"] += 1
        found.counts["bytes of bundles"] += len(answer.content)


async def _download(client: httpx.AsyncClient, bundle_id: str, key: str) -> httpx.Response:
    while True:
        answer = await client.get(
            f"/v1/bundles/{bundle_id}/download", headers={"Authorization": f"Bearer {key}"}
        )
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            return answer
        await asyncio.sleep(float(answer.headers["retry-after"]))
