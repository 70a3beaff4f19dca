"""What becomes of each document when nothing is broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import asyncpg
import httpx

from trial.database import rows
from trial.documents import Sample
from trial.installation import Installation

SECONDS = 900.0
ENVIRONMENT = "reference"
ENDS = "SELECT id, status, result_sha256, error->>'code' AS code FROM jobs WHERE id = ANY($1)"


def submit_all(
    site: Installation, samples: Sequence[Sample], is_quiet: Callable[[], bool]
) -> dict[int, asyncpg.Record]:
    """Run each document in an environment of its own; return the ends by the document's number."""
    key = site.run("keys", "create", "--environment", ENVIRONMENT)
    url = f"http://127.0.0.1:{site.apis[0].port}"
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        ids = {_submit(client, sample): sample.number for sample in samples}
    give_up = time.monotonic() + SECONDS
    while not is_quiet():
        if time.monotonic() > give_up:
            raise SystemExit("the fault-free references did not end")
        time.sleep(0.5)
    return {ids[row["id"]]: row for row in rows(site.database_url, ENDS, list(ids))}


def _submit(client: httpx.Client, sample: Sample) -> str:
    while True:
        files = {"file": (f"{sample.number}.pdf", sample.data)}
        answer = client.post("/v1/parse", data={"options": sample.options}, files=files)
        if answer.status_code not in (429, 503):
            return str(answer.raise_for_status().json()["id"])
        time.sleep(float(answer.headers["retry-after"]))
