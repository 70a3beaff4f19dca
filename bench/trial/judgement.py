"""Judge a finished run by the rows, the blobs and what clients and receiver were told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import asyncpg

from affidavit.infra.blobs import BlobError, open_store
from trial import audit
from trial.documents import Sort
from trial.installation import Installation
from trial.ledger import Ledger, Order
from trial.receiver import Receiver

#: How documents may end that faults have hit too often, or that are made to fail.
SPENT = frozenset({"ENGINE_CRASHED", "POISON_DOCUMENT", "STORAGE_UNAVAILABLE"})


@dataclass(slots=True)
class Judgement:
    """Violations by the invariant that they break, and what was counted on the way."""

    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    def against(self, invariant: str, text: str) -> None:
        self.violations[invariant].append(text)

    @property
    def is_clean(self) -> bool:
        return not any(self.violations.values())


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is judged. `references` are the fault-free ends by document number."""

    site: Installation
    ledger: Ledger
    references: Mapping[int, asyncpg.Record]
    receiver: Receiver | None
    environments: list[str]


async def judge(connection: asyncpg.Connection[asyncpg.Record], evidence: Evidence) -> Judgement:
    """Return everything that breaks an invariant."""
    found = Judgement()
    rows = await connection.fetch("SELECT * FROM jobs WHERE environment_id = ANY($1)", evidence.environments)
    jobs = {row["id"]: row for row in rows}
    found.counts.update(f"jobs {row['status']}" for row in rows if row["kind"] == "job")
    found.counts["jobs"] = sum(row["kind"] == "job" for row in rows)
    found.counts["batches"] = len(rows) - found.counts["jobs"]
    _judge_acknowledged(found, evidence.ledger, jobs)
    _judge_ends(found, evidence, jobs)
    await _judge_blobs(found, evidence.site, jobs)
    await _judge_effects(connection, found, jobs)
    await _judge_tasks(connection, found)
    found.violations["only allowed moves, attempts strictly rising"] += await audit.violations(connection)
    found.violations["what clients were told"] += evidence.ledger.complaints
    if evidence.receiver is not None:
        await _judge_webhooks(connection, found, evidence.receiver, evidence.ledger, jobs)
    if (evidence.site.folder / "forged").exists():
        found.against("the bell runs no code", "a pickle was loaded")
    return found


def _judge_acknowledged(found: Judgement, ledger: Ledger, jobs: Mapping[str, asyncpg.Record]) -> None:
    for order in ledger.orders:
        for job_id in set(order.job_ids) - jobs.keys():
            found.against("nothing acknowledged is lost", f"{job_id} of order {order.number} has no row")
        if len(set(order.job_ids)) > 1:
            found.against("one key, one job", f"order {order.number} became {sorted(set(order.job_ids))}")
    tops = {job_id for job_id, row in jobs.items() if row["parent_id"] is None}
    known = set(ledger.acknowledged)
    for job_id in tops - known:
        found.against("one key, one job", f"{job_id} belongs to no answered order")
    found.counts["acknowledged"] = len(known)
    found.counts["posts"] = sum(order.posts for order in ledger.orders)
    for job_id, row in jobs.items():
        if row["status"] not in ("completed", "failed", "canceled"):
            found.against("every job ends", f"{job_id} is {row['status']}")
    for job_id, status in ledger.seen.items():
        if job_id in jobs and jobs[job_id]["status"] != status:
            found.against("an end is the end", f"{job_id} was seen {status} and is {jobs[job_id]['status']}")


def _judge_ends(found: Judgement, evidence: Evidence, jobs: Mapping[str, asyncpg.Record]) -> None:
    items: dict[str, dict[int, asyncpg.Record]] = defaultdict(dict)
    for row in jobs.values():
        if row["parent_id"] is not None:
            items[row["parent_id"]][row["position"]] = row
    for order in evidence.ledger.orders:
        for job_id in set(order.job_ids) & jobs.keys():
            if order.is_batch:
                ordered = [row for _, row in sorted(items[job_id].items())]
                if len(ordered) != len(order.samples):
                    found.against("one key, one job", f"batch {job_id} has {len(ordered)} items")
            else:
                ordered = [jobs[job_id]]
            for at, row in enumerate(ordered[: len(order.samples)]):
                _judge_end(found, order, at, row, evidence.references)


def _judge_end(
    found: Judgement, order: Order, at: int, row: asyncpg.Record, references: Mapping[int, asyncpg.Record]
) -> None:
    sample = order.samples[at]
    reference = references[sample.number]
    code = json.loads(row["error"])["code"] if row["error"] else None
    if row["status"] == "canceled" and order.is_canceled:
        return
    if sample.sort is Sort.POISON:
        if code not in SPENT | {"PAGES_FAILED"}:
            found.against("poison is contained", f"{row['id']} ended {row['status']} {code}")
        found.counts["poison documents contained"] += 1
    elif row["status"] == "failed" and code in SPENT:
        found.counts[f"hit by faults beyond its budget: {code}"] += 1
    elif (row["status"], code) != (reference["status"], reference["code"]):
        wanted = f"{reference['status']} {reference['code']}"
        found.against("same end as without faults", f"{row['id']}: {row['status']} {code}, not {wanted}")
    elif row["result_sha256"] != reference["result_sha256"]:
        found.against("same result as without faults", f"{row['id']} ({sample.sort} {sample.number})")
    elif row["status"] == "completed":
        found.counts["results equal to the fault-free ones"] += 1


async def _judge_blobs(found: Judgement, site: Installation, jobs: Mapping[str, asyncpg.Record]) -> None:
    store = open_store((site.data / "blobs").as_uri(), scratch=site.folder / "staging")
    for row in jobs.values():
        if row["result_sha256"] is None or row["purged_at"] is not None:
            continue
        try:
            blob = await store.open(row["environment_id"], row["result_sha256"])
            digest = await _digest(blob.chunks)
        except BlobError as error:
            found.against("results re-hash", f"{row['id']}: {error}")
            continue
        if digest != row["result_sha256"]:
            found.against("results re-hash", f"{row['id']}: {digest}")
        found.counts["results re-hashed"] += 1


async def _digest(chunks: AsyncIterator[bytes]) -> str:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


async def _judge_effects(
    connection: asyncpg.Connection[asyncpg.Record], found: Judgement, jobs: Mapping[str, asyncpg.Record]
) -> None:
    """One usage row for each completed job, one end, and events without a gap."""
    usage = Counter(row["job_id"] for row in await connection.fetch("SELECT job_id FROM usage_records"))
    events: dict[str, list[asyncpg.Record]] = defaultdict(list)
    for row in await connection.fetch("SELECT job_id, seq, status FROM job_events ORDER BY job_id, seq"):
        events[row["job_id"]].append(row)
    for job_id, job in jobs.items():
        charged = int(job["status"] == "completed" and job["kind"] == "job")
        if usage[job_id] != charged:
            found.against("no effect twice", f"{job_id} {job['status']} was charged {usage[job_id]} times")
        ends = [
            row["status"] for row in events[job_id] if row["status"] in ("completed", "failed", "canceled")
        ]
        if ends != [job["status"]]:
            found.against("no effect twice", f"{job_id} {job['status']} has the ends {ends}")
        if [row["seq"] for row in events[job_id]] != list(range(1, job["event_seq"] + 1)):
            found.against("no effect twice", f"{job_id}: the events have gaps")


async def _judge_tasks(connection: asyncpg.Connection[asyncpg.Record], found: Judgement) -> None:
    rows = await connection.fetch("SELECT id, status FROM job_tasks WHERE status IN ('queued', 'running')")
    for row in rows:
        found.against("every job ends", f"{row['id']} is {row['status']}")
    (sums,) = await connection.fetch(
        "SELECT count(*) AS tasks, sum(attempt) AS attempts, sum(crashes) AS crashes, "
        "sum(failures) AS failures, sum(pages_read) AS pages FROM job_tasks"
    )
    found.counts.update({name: int(number or 0) for name, number in sums.items()})


async def _judge_webhooks(
    connection: asyncpg.Connection[asyncpg.Record],
    found: Judgement,
    receiver: Receiver,
    ledger: Ledger,
    jobs: Mapping[str, asyncpg.Record],
) -> None:
    """Every end that owes a webhook was heard; each id has one body; each signature is right."""
    rows = await connection.fetch("SELECT job_id, seq FROM job_events WHERE status = ANY($1)", list(ENDS))
    ends = {row["job_id"]: row["seq"] for row in rows}
    owing = [each for order in ledger.orders if order.has_webhook for each in set(order.job_ids)]
    for job_id in owing:
        if job_id in ends:
            name = f"msg_{job_id.partition('_')[2]}_{ends[job_id]}"
            if name not in receiver.heard or not receiver.heard[name].understood:
                found.against("every owed webhook arrives", f"{name} of {job_id} {jobs[job_id]['status']}")
    for name, heard in receiver.heard.items():
        if len(heard.bodies) > 1:
            found.against("one event, one id, the same bytes", f"{name} came with {len(heard.bodies)} bodies")
    for row in await connection.fetch(
        "SELECT status, count(*) FROM webhook_deliveries GROUP BY status ORDER BY status"
    ):
        found.counts[f"deliveries {row['status']}"] = row["count"]
        if row["status"] != "delivered":
            found.against("every owed webhook arrives", f"{row['count']} deliveries are {row['status']}")
    found.violations["every signature is valid"] += receiver.complaints
    found.counts["webhooks owed"] = len(owing)
    found.counts["webhook ids heard"] = len(receiver.heard)
    found.counts["webhook requests"] = sum(heard.requests for heard in receiver.heard.values())
    repeated = sum(max(0, heard.understood - 1) for heard in receiver.heard.values())
    found.counts["webhooks heard again, with the same id"] = repeated


ENDS = ("completed", "failed", "canceled")
