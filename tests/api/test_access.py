"""Who may do what: no key, a key of another environment, a key without the scope."""

from __future__ import annotations

import pytest

from affidavit.accounts.principal import Scope
from affidavit.api.endpoint import Endpoint
from affidavit.api.endpoints import ENDPOINTS
from tests.api.conftest import TEXT, Api, Hand

GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.public]
OF_ONE = [endpoint for endpoint in GUARDED if "{" in endpoint.path]
SCOPED = [endpoint for endpoint in GUARDED if endpoint.scopes]


def name(endpoint: Endpoint) -> str:
    return endpoint.operation_id


def path(endpoint: Endpoint, job_id: str = "job_1", file_id: str = "file_1") -> str:
    return endpoint.path.format(job_id=job_id, file_id=file_id, page=1)


@pytest.mark.parametrize("endpoint", GUARDED, ids=name)
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer afd_x"}, {"X-API-Key": ""}, {"Authorization": "Basic eDp5"}]
)
async def test_every_route_refuses_a_caller_without_a_key(
    anybody: Api, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    answer = await anybody.send(endpoint.method, path(endpoint), headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize("endpoint", OF_ONE, ids=name)
async def test_every_route_hides_what_is_another_environments(
    api: Api, other: Api, hand: Hand, endpoint: Endpoint
) -> None:
    job = await api.submitted()
    await hand.complete({})
    mine, missing = job["id"], "job_00000000000000000000000000"
    no_file = "file_00000000000000000000000000"

    found = await other.send(endpoint.method, path(endpoint, mine, job["file_id"]))
    none = await other.send(endpoint.method, path(endpoint, missing, no_file))

    assert (found.status_code, found.json()["code"]) == (404, "NOT_FOUND")
    assert found.json()["detail"] == none.json()["detail"]


async def test_anothers_file_cannot_be_submitted_and_anothers_jobs_are_not_listed(
    api: Api, other: Api
) -> None:
    job = await api.submitted()

    answer = await other.post("/v1/parse", {"source": {"file_id": job["file_id"]}})

    assert answer.status_code == 404
    assert (await other.get(f"/v1/jobs?parent_id={job['id']}")).json()["items"] == []
    assert (await other.get("/v1/jobs")).json()["items"] == []


@pytest.mark.parametrize("endpoint", SCOPED, ids=name)
async def test_every_route_needs_its_scope(anybody: Api, endpoint: Endpoint) -> None:
    rest = [scope for scope in Scope if scope not in endpoint.scopes]
    without = await anybody.as_key("one", *rest)

    answer = await without.send(endpoint.method, path(endpoint))

    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert endpoint.scopes[0] in answer.json()["detail"]


async def test_waiting_for_a_result_needs_the_scope_to_read_it(anybody: Api) -> None:
    writer = await anybody.as_key("one", Scope.JOBS_WRITE)

    assert (await writer.post("/v1/parse?sync=true", TEXT)).status_code == 403
    assert (await writer.post("/v1/parse", TEXT)).status_code == 202


async def test_key_is_taken_from_either_header(api: Api) -> None:
    key = api.headers["Authorization"].removeprefix("Bearer ")
    bare = Api(api.app, api.client)

    for headers in ({"X-API-Key": key}, {"authorization": f"bearer  {key}"}):
        assert (await bare.get("/v1/capabilities", headers=headers)).status_code == 200
