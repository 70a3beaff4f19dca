"""Another environment's object is, on every route and in every parameter, as if it were not there."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx

from tests.api.conftest import Api
from tests.isolation.belongings import SECRET_WORD, Belongings
from tests.isolation.identifiers import BESIDES, BODIES, COMMON, KINDS, MISSING, NAMED, Place, places
from tests.isolation.rows import contents

PATIENCE_SECONDS = 20.0
# What differs between two answers to the same request.
OF_THE_MOMENT = {
    "date",
    "x-request-id",
    "content-length",
    "ratelimit",
    "ratelimit-remaining",
    "ratelimit-reset",
}
CURSORS = [place for place in places() if place.kind == "cursor"]
IDS = [place for place in places() if place.kind != "cursor"]


def test_every_identifier_of_the_api_is_tried() -> None:
    """A route with a parameter that the tables of identifiers.py do not know fails here."""
    found = places()
    assert {place.name.rpartition(".")[2] for place in found} == KINDS.keys()
    assert {(place.route, place.name) for place in found if place.where == "body"} == BODIES.keys()
    assert {place.kind for place in found} == {*MISSING, "cursor"}
    assert len(found) > 30


async def ask(caller: Api, place: Place, named: str, others: dict[str, str]) -> httpx.Response:
    """Send the request with `named` in that place; `others` are the objects in the rest of its path."""
    ids = {**others, **({place.name: named} if place.where == "path" else {})}
    path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], COMMON.get(found[1], "1")), place.path)
    given: dict[str, Any] = {}
    if place.where == "query":
        given["params"] = {place.name: named}
    if place.where == "body":
        given["json"] = json.loads(json.dumps(BODIES[place.route, place.name]).replace(NAMED, named))
    elif place.method in ("POST", "PATCH", "PUT"):
        given["json"] = BESIDES.get(place.route, {})
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await caller.send(place.method, path, **given)


def outline(answer: httpx.Response, named: str) -> tuple[int, dict[str, str], str]:
    """Return what the caller can tell two answers apart by, but for the id that it sent itself."""
    headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
    body = re.sub(r'"request_id":\s*"\w+"', "", answer.text.replace(named, "NAMED"))
    return answer.status_code, headers, body


def neighbours(place: Place, own: Belongings, theirs: Belongings) -> list[dict[str, str]]:
    """Return what the rest of the path may name: the caller's own, or what goes with the other's object."""
    rest = [name for name in re.findall(r"\{(\w+)\}", place.path) if name in MISSING and name != place.name]
    choices = [{name: belongings.ids[name][0] for name in rest} for belongings in (own, theirs)]
    return choices if place.where == "path" and rest else choices[:1]


async def test_another_environments_object_is_as_if_it_were_not_there(
    stranger: Api, theirs: Belongings, own: Belongings, database_url: str
) -> None:
    before = await contents(database_url)
    told_apart, tried = [], 0
    for place in IDS:
        for others in neighbours(place, own, theirs):
            none = outline(await ask(stranger, place, MISSING[place.kind], others), MISSING[place.kind])
            for named in theirs.ids[place.kind]:
                tried += 1
                found = outline(await ask(stranger, place, named, others), named)
                is_refused = found[0] == 404 or place.where == "query"
                if found != none or not is_refused or SECRET_WORD in found[2]:
                    told_apart.append((str(place), found, none))

    assert told_apart == []
    assert tried > 60
    assert await contents(database_url) == before


async def test_the_owner_finds_by_the_same_requests_what_the_stranger_does_not(
    owner: Api, theirs: Belongings
) -> None:
    """Without this, requests that are wrong in themselves would pass for walls."""
    blind = []
    for place in [place for place in IDS if place.method != "DELETE"]:
        others = {name: theirs.ids[name][0] for name in MISSING if name != place.name}
        # The first of each kind is at its end, so that a stream of its events is too.
        answer = await ask(owner, place, theirs.ids[place.kind][0], others)
        if answer.status_code in (404, 405, 422):
            blind.append((str(place), answer.text))

    assert blind == []


async def test_cursor_of_another_environment_shows_nothing_of_it(
    stranger: Api, theirs: Belongings, own: Belongings
) -> None:
    for place in CURSORS:
        listed = re.sub(r"/\{endpoint_id\}", "", place.path)
        cursor = theirs.cursors[listed]
        mine = {name: own.ids[name][0] for name in ("endpoint_id", "bundle_id")}
        answer = await ask(stranger, place, cursor, mine)
        assert answer.status_code in (200, 422), (place, answer.text)
        assert not any(each in answer.text for each in (*theirs.everything(), SECRET_WORD)), place


async def test_lists_and_totals_show_only_what_is_the_callers(
    stranger: Api, theirs: Belongings, own: Belongings
) -> None:
    for path in theirs.cursors:
        answer = await stranger.get(f"{path.format(bundle_id=own.ids['bundle_id'][0])}?limit=100")
        assert answer.json()["items"], path
        assert not any(each in answer.text for each in (*theirs.everything(), SECRET_WORD)), path


async def test_idempotency_key_of_another_environment_is_just_a_word(owner: Api, stranger: Api) -> None:
    body = {"source": {"text": SECRET_WORD}}
    headers = {"Idempotency-Key": "the-same"}

    first = await owner.post("/v1/parse", body, headers=headers)
    other = await stranger.post("/v1/parse", {"source": {"text": "mine"}}, headers=headers)

    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"]
    assert "idempotent-replayed" not in other.headers
    again = await stranger.post("/v1/parse", {"source": {"text": "mine"}}, headers=headers)
    assert again.json()["id"] == other.json()["id"]


async def test_same_bytes_of_two_environments_are_two_files(owner: Api, stranger: Api) -> None:
    first, second = [(await caller.upload(b"the same")).json() for caller in (owner, stranger)]

    assert first["sha256"] == second["sha256"]
    assert (await owner.delete(f"/v1/files/{first['id']}")).status_code == 204
    assert (await stranger.get(f"/v1/files/{second['id']}/content")).content == b"the same"
