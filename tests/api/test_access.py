"""Who may do what: no key, a bad key, a key without the scope. tests/isolation has the other environments."""

from __future__ import annotations

import re

from affidavit.accounts import key as keys
from affidavit.accounts.principal import Scope
from affidavit.api.endpoint import Endpoint
from affidavit.api.endpoints import ENDPOINTS
from affidavit.infra.db import Database
from tests.api.conftest import TEXT, Api

GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.public]
SCOPED = [endpoint for endpoint in GUARDED if endpoint.scopes]
# Sent as they are; those that look like keys are made by the test.
NO_KEYS: dict[str, dict[str, str]] = {
    "none": {},
    "malformed": {"Authorization": "Bearer afd_x"},
    "empty": {"X-API-Key": ""},
    "another scheme": {"Authorization": "Basic eDp5"},
}


def path(endpoint: Endpoint) -> str:
    """Return the path with names of nothing in it."""
    return re.sub(r"\{(\w+)\}", lambda found: "1" if found[1] == "page" else "x_1", endpoint.path)


async def refused_keys(anybody: Api, db: Database) -> dict[str, dict[str, str]]:
    """Make keys that were good, or might have been, by what is wrong with them."""
    accounts = anybody.services.accounts
    revoked, expired, forged = [await accounts.create_key("one", "k") for _ in range(3)]
    await accounts.revoke_key(revoked.view.id)
    await db.fetch(
        "UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", expired.view.id
    )
    texts = {
        "unknown": keys.make().text,
        "revoked": revoked.text,
        "expired": expired.text,
        "forged": keys.Key(forged.view.id, keys.make().secret).text,
    }
    return {name: {"Authorization": f"Bearer {text}"} for name, text in texts.items()}


async def test_every_route_refuses_every_bad_key_in_the_same_words(anybody: Api, db: Database) -> None:
    bad = NO_KEYS | await refused_keys(anybody, db)

    for endpoint in GUARDED:
        answers = {}
        for name, headers in bad.items():
            answer = await anybody.send(endpoint.method, path(endpoint), headers=headers)
            body = {key: value for key, value in answer.json().items() if key != "request_id"}
            answers[name] = (answer.status_code, answer.headers["www-authenticate"], body)
        assert len({str(each) for each in answers.values()}) == 1, (endpoint.operation_id, answers)
        assert answers["none"][0] == 401
        assert answers["none"][2]["code"] == "UNAUTHENTICATED"


async def test_two_keys_live_side_by_side_while_one_takes_over_from_the_other(api: Api) -> None:
    job = await api.submitted()
    successor = await api.as_key("one")
    assert (await successor.get(f"/v1/jobs/{job['id']}")).json()["id"] == job["id"]
    old = (await api.services.accounts.authenticate(api.headers["Authorization"][7:])).key_id

    await api.services.accounts.revoke_key(old)

    assert (await api.get("/v1/jobs")).status_code == 401
    assert (await successor.get(f"/v1/jobs/{job['id']}")).status_code == 200


async def test_every_route_needs_its_scope(anybody: Api) -> None:
    for endpoint in SCOPED:
        rest = [scope for scope in Scope if scope not in endpoint.scopes]
        without = await anybody.as_key("one", *rest)

        answer = await without.send(endpoint.method, path(endpoint))

        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), endpoint.operation_id
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
