"""What one environment has of everything that can be named, made through the API itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from affidavit.jobs.claim import ReadPage
from tests.api.bundles import Sealer, extraction
from tests.api.conftest import Api, Hand

# In every text and name that an environment gives us, so that it is found wherever it leaks to.
SECRET_WORD = "zugspitze"


@dataclass(frozen=True)
class Belongings:
    """Ids by the name of the parameter that takes them; a kind may have several, in various states."""

    ids: Mapping[str, tuple[str, ...]]
    cursors: Mapping[str, str]  # by the path of the list

    def everything(self) -> set[str]:
        return {each for ids in self.ids.values() for each in ids}


async def make(api: Api, hand: Hand, word: str) -> Belongings:
    """Give the caller's environment files, jobs in every state, a batch, endpoints and deliveries."""
    endpoint = await made(api, "/v1/webhooks", {"url": f"https://{word}.example/hook", "events": EVENTS})
    await made(api, "/v1/webhooks", {"url": f"https://{word}.example/other"})
    files = [(await api.upload(f"{word} {n}".encode(), f"{word}.txt")).json() for n in range(2)]
    completed = await api.submitted(source={"file_id": files[0]["id"]}, metadata={"word": word})
    principal = await api.services.accounts.authenticate(api.headers["Authorization"].removeprefix("Bearer "))
    image = await hand.image(principal.environment_id, f"RIFF {word}".encode())
    made_file = f"{word[::-1]}.pdf"  # a name in a path comes back to whoever asks, so it is no secret
    page = ReadPage(1, "0" * 64, 1, "native", image, 12, 10, 10)
    await hand.complete({"markdown": word}, (page,), {made_file: word.encode()})
    failed = await api.submitted(metadata={"word": word})
    await hand.fail()
    queued = await api.submitted(metadata={"word": word})
    item = {"operation": "parse", "source": {"text": word}}
    batch = await made(api, "/v1/jobs", {"items": [item, item], "metadata": {"word": word}})
    deliveries = (await api.get("/v1/webhooks/deliveries?limit=2")).json()
    for name in (f"{word}_note", f"{word}_order"):
        await made(api, "/v1/templates", {"name": name, "description": word, "schema": {word: "string"}})
    bundles = [await bundle(api, word, made_file, completed["id"]) for _ in range(2)]
    return Belongings(
        ids={
            "job_id": tuple(job["id"] for job in (completed, failed, queued, batch)),
            "file_id": tuple(file["id"] for file in files),
            "bundle_id": tuple(bundles),
            "endpoint_id": (endpoint["id"],),
            "name": (made_file,),
            "template": (f"{word}_note", f"{word}_order@1"),
            "delivery_id": tuple(delivery["id"] for delivery in deliveries["items"]),
        },
        cursors={
            path: (await api.get(f"{path.format(bundle_id=bundles[0])}?limit=1")).json()["next_cursor"]
            for path in LISTS
        },
    )


async def bundle(api: Api, word: str, made_file: str, job_id: str) -> str:
    """Seal a bundle, verify it and hand it over, each twice."""
    files = {made_file: word.encode(), f"files/{made_file}": word.encode()}
    sealed = await Sealer(api).seal(extracted=extraction(note=word), files=files, job_id=job_id)
    path = f"/v1/bundles/{sealed.contents.bundle_id}"
    for _ in range(2):
        assert (await api.get(f"{path}/verify?quick=true")).status_code == 200
        await made(api, f"{path}/handoffs", {"from_agent": "a", "to_agent": "b", "note": word})
        await made(api, f"{path}/history", {"agent_id": word, "action": "read"})
    return sealed.contents.bundle_id


LISTS = (
    "/v1/jobs",
    "/v1/webhooks",
    "/v1/webhooks/deliveries",
    "/v1/templates",
    "/v1/bundles",
    "/v1/bundles/{bundle_id}/history",
    "/v1/bundles/{bundle_id}/handoffs",
    "/v1/bundles/{bundle_id}/receipts",
)
EVENTS = ["job.queued", "job.completed", "job.failed"]


async def made(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found
