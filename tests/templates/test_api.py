"""Templates over HTTP: made, changed by version, found by name, and used instead of a schema."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.accounts.principal import Scope
from tests.api.conftest import Api, Hand

SHORTHAND = {"delivered_on": "date", "lines": [{"article": "string", "quantity": "number"}]}
TEXT = {"text": "Delivered on: 2026-03-14"}


async def made(api: Api, name: str = "delivery_note", **changes: Any) -> dict[str, Any]:
    answer = await api.post("/v1/templates", {"name": name, "schema": SHORTHAND, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(api: Api, name: str, body: dict[str, Any], **headers: str) -> Any:
    return await api.send("PUT", f"/v1/templates/{name}", json=body, headers=headers)


async def test_template_is_kept_as_plain_json_schema_with_its_options(api: Api) -> None:
    answer = await api.post(
        "/v1/templates",
        {
            "name": "delivery_note",
            "description": "Of our suppliers",
            "schema": SHORTHAND,
            "options": {"ocr": {"languages": ["deu"]}},
            "review": {"threshold": 80},
        },
    )
    body = answer.json()

    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/templates/delivery_note")
    assert answer.headers["etag"] == '"1"'
    assert (body["version"], body["starter"], body["id"][:4]) == (1, False, "tpl_")
    assert body["schema"]["properties"]["delivered_on"] == {"type": ["string", "null"], "format": "date"}
    assert (body["options"], body["review"]) == ({"ocr": {"languages": ["deu"]}}, {"threshold": 80})
    assert (await api.get("/v1/templates/delivery_note")).json() == body


async def test_put_makes_a_version_and_the_older_one_stays(api: Api) -> None:
    first = await made(api)
    second = (await put(api, "delivery_note", {"schema": {"carrier": "string"}})).json()

    assert (second["version"], second["id"], list(second["schema"]["properties"])) == (
        2,
        first["id"],
        ["carrier"],
    )
    assert (await api.get("/v1/templates/delivery_note")).json() == second
    assert (await api.get("/v1/templates/delivery_note@2")).json() == second
    assert (await api.get("/v1/templates/delivery_note@1")).json() == first
    assert (await api.get("/v1/templates/delivery_note@3")).status_code == 404


@pytest.mark.parametrize("how", ["header", "body"])
async def test_put_on_a_version_that_was_changed_since_is_refused(api: Api, how: str) -> None:
    await made(api)
    await put(api, "delivery_note", {"schema": {"carrier": "string"}})
    stale = {"schema": {"weight": "number"}} | ({"version": 1} if how == "body" else {})
    answer = await put(api, "delivery_note", stale, **({"If-Match": '"1"'} if how == "header" else {}))

    assert (answer.status_code, answer.json()["code"]) == (409, "TEMPLATE_CHANGED")
    assert (await api.get("/v1/templates/delivery_note")).json()["version"] == 2


async def test_put_that_is_sent_again_makes_no_second_version(api: Api) -> None:
    await made(api)
    answers = [
        await put(api, "delivery_note", {"schema": {"carrier": "string"}}, **{"If-Match": '"1"'})
        for _ in range(2)
    ]
    assert [(answer.status_code, answer.json()["version"]) for answer in answers] == [(200, 2), (200, 2)]


async def test_order_of_properties_is_kept_and_a_change_of_it_is_a_change(api: Api) -> None:
    await made(api, schema={"z": "string", "a": "string"})
    found = (await api.get("/v1/templates/delivery_note")).json()
    assert list(found["schema"]["properties"]) == ["z", "a"]
    turned = (await put(api, "delivery_note", {"schema": {"a": "string", "z": "string"}})).json()
    assert turned["version"] == 2


async def test_name_that_is_taken_is_refused(api: Api) -> None:
    await made(api)
    answer = await api.post("/v1/templates", {"name": "delivery_note", "schema": {"a": "string"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "TEMPLATE_EXISTS")


async def test_second_post_with_the_same_key_returns_the_first_template(api: Api) -> None:
    body, key = {"name": "delivery_note", "schema": SHORTHAND}, {"Idempotency-Key": "once"}
    first = await api.post("/v1/templates", body, headers=key)
    again = await api.post("/v1/templates", body, headers=key)
    other = await api.post("/v1/templates", {**body, "name": "other"}, headers=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_starters_are_listed_with_own_ones_by_name_over_pages(api: Api) -> None:
    await made(api)
    await made(api, "invoice")
    found, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/v1/templates?limit=4{cursor and f'&cursor={cursor}'}")).json()
        found += [(item["name"], item["starter"]) for item in page["items"]]
        cursor = page["next_cursor"]

    assert found == [
        ("bank_statement", True),
        ("bill_of_lading", True),
        ("contract", True),
        ("customs_declaration", True),
        ("delivery_note", False),
        ("form", True),
        ("invoice", False),
        ("purchase_order", True),
        ("receipt", True),
        ("resume", True),
    ]
    own = (await api.get("/v1/templates?starter=false")).json()["items"]
    assert [item["name"] for item in own] == ["delivery_note", "invoice"]
    assert len((await api.get("/v1/templates?starter=true")).json()["items"]) == 8
    assert (await api.get("/v1/templates?cursor=bm8gbmFtZQ")).json()["code"] == "CURSOR_INVALID"


async def test_own_template_stands_before_the_starter_until_it_is_deleted(api: Api) -> None:
    starter = (await api.get("/v1/templates/invoice")).json()
    assert (starter["starter"], starter["id"], starter["created_at"]) == (True, None, None)
    await made(api, "invoice")
    assert (await api.get("/v1/templates/invoice")).json()["starter"] is False
    assert (await api.delete("/v1/templates/invoice")).status_code == 204
    assert (await api.get("/v1/templates/invoice")).json() == starter


async def test_starter_cannot_be_changed_or_deleted(api: Api) -> None:
    for answer in (
        await put(api, "receipt", {"schema": SHORTHAND}),
        await api.delete("/v1/templates/receipt"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "TEMPLATE_IS_STARTER")


@pytest.mark.parametrize("name", ["Invoice", "a b", "-a", "a" * 65, "a@1", ""])
async def test_name_that_could_not_be_used_is_refused(api: Api, name: str) -> None:
    answer = await api.post("/v1/templates", {"name": name, "schema": SHORTHAND})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"schema": {"total": "nubmer"}}, "/schema/total"),
        ({"schema": {"type": "object", "properties": {"a": {"x-page": 0}}}}, "/schema/properties/a/x-page"),
        ({"options": {"password": "secret"}}, "/options/password"),
        ({"options": {"pages": "x"}}, "/options/pages"),
        ({"review": {"threshold": 101}}, "/review/threshold"),
        ({"unknown": 1}, "/unknown"),
    ],
)
async def test_what_is_wrong_with_a_template_is_pointed_at(
    api: Api, change: dict[str, Any], pointer: str
) -> None:
    answer = await api.post("/v1/templates", {"name": "a", "schema": SHORTHAND, **change})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_job_says_which_template_and_version_it_took_and_keeps_what_it_said(
    api: Api, hand: Hand
) -> None:
    await made(api)
    body = {"source": TEXT, "template": "delivery_note"}
    first = (await api.post("/v1/extract", body)).json()
    await put(api, "delivery_note", {"schema": {"carrier": "string"}})
    second = (await api.post("/v1/extract", body)).json()
    pinned = (await api.post("/v1/extract", {**body, "template": "delivery_note@1"})).json()
    await api.delete("/v1/templates/delivery_note")

    shown = {"name": "delivery_note", "starter": False}
    assert first["template"] == {**shown, "version": 1}
    assert second["template"] == {**shown, "version": 2}
    assert pinned["template"] == {**shown, "version": 1}
    assert (await api.get(f"/v1/jobs/{first['id']}")).json()["template"] == first["template"]
    specs = [(await hand.take()).spec["json_schema"]["properties"] for _ in range(3)]
    assert [list(each) for each in specs] == [
        ["delivered_on", "lines"],
        ["carrier"],
        ["delivered_on", "lines"],
    ]


async def test_starter_can_be_used_by_its_name(api: Api) -> None:
    job = (await api.post("/v1/extract", {"source": TEXT, "template": "invoice"})).json()
    assert job["template"] == {"name": "invoice", "version": 1, "starter": True}


async def test_items_of_a_batch_take_templates_too(api: Api, hand: Hand) -> None:
    items = [
        {"operation": "extract", "source": TEXT, "template": "receipt"},
        {"operation": "extract", "source": TEXT, "schema": {"total": "number"}},
        {"operation": "parse", "source": TEXT},
    ]
    batch = (await api.post("/v1/jobs", {"items": items})).json()
    jobs = (await api.get(f"/v1/jobs?parent_id={batch['id']}")).json()["items"]

    assert [job["template"] and job["template"]["name"] for job in reversed(jobs)] == ["receipt", None, None]
    bad = await api.post("/v1/jobs", {"items": [*items, {**items[0], "template": "missing"}]})
    assert bad.status_code == 404


async def test_step_of_a_pipeline_takes_a_template(api: Api, hand: Hand) -> None:
    steps = [{"operation": "extract", "template": "receipt"}]
    answer = await api.post("/v1/pipeline", {"source": TEXT, "steps": steps})
    assert answer.status_code == 202, answer.text
    step = (await hand.take()).spec["parameters"]["steps"][0]
    assert (step["template"], "merchant" in step["schema"]["properties"]) == ("receipt@1", True)


async def test_options_of_a_template_hold_where_the_submission_says_nothing(api: Api, hand: Hand) -> None:
    await made(api, options={"strict": True, "ocr": {"mode": "never", "languages": ["deu"]}})
    body = {"source": TEXT, "template": "delivery_note", "options": {"ocr": {"mode": "always"}}}
    await api.post("/v1/extract", body)
    assert (await hand.take()).spec["options"] == {
        "strict": True,
        "ocr": {"mode": "always", "languages": ["deu"]},
    }


async def test_retry_keeps_the_template_and_the_schema_that_it_had(api: Api, hand: Hand) -> None:
    await made(api)
    job = (await api.post("/v1/extract", {"source": TEXT, "template": "delivery_note"})).json()
    await hand.fail()
    await api.delete("/v1/templates/delivery_note")
    again = (await api.post(f"/v1/jobs/{job['id']}/retry")).json()

    assert again["template"] == job["template"]
    assert "delivered_on" in (await hand.take()).spec["json_schema"]["properties"]


async def test_replay_is_known_by_what_was_asked_for_not_by_what_the_template_says(api: Api) -> None:
    await made(api)
    body, key = {"source": TEXT, "template": "delivery_note"}, {"Idempotency-Key": "once"}
    first = await api.post("/v1/extract", body, headers=key)
    await put(api, "delivery_note", {"schema": {"carrier": "string"}})
    again = await api.post("/v1/extract", body, headers=key)
    other = await api.post("/v1/extract", {**body, "template": "delivery_note@1"}, headers=key)

    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert other.json()["errors"][0]["pointer"] == "/template"


async def test_template_and_schema_exclude_each_other_and_one_is_needed(api: Api) -> None:
    both = await api.post("/v1/extract", {"source": TEXT, "template": "invoice", "schema": SHORTHAND})
    none = await api.post("/v1/extract", {"source": TEXT})

    assert (both.status_code, both.json()["code"]) == (422, "TEMPLATE_AND_SCHEMA")
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (422, "/schema")


async def test_multipart_names_its_template_as_text(api: Api) -> None:
    answer = await api.send(
        "POST", "/v1/extract", files={"file": ("a.txt", b"Total 1.00")}, data={"template": "receipt"}
    )
    assert (answer.status_code, answer.json()["template"]["name"]) == (202, "receipt")


async def test_shorthand_of_a_submission_is_frozen_as_plain_json_schema(api: Api, hand: Hand) -> None:
    await api.post("/v1/extract", {"source": TEXT, "schema": {"total": "number: amount due"}})
    assert (await hand.take()).spec["json_schema"]["properties"] == {
        "total": {"type": ["number", "null"], "description": "amount due"}
    }


async def test_keys_need_the_scope_to_read_and_to_write(anybody: Api) -> None:
    reader = await anybody.as_key("one", Scope.TEMPLATES_READ)
    writer = await anybody.as_key("one", Scope.TEMPLATES_WRITE)
    body = {"name": "a", "schema": SHORTHAND}

    assert (await reader.get("/v1/templates")).status_code == 200
    assert (await reader.post("/v1/templates", body)).status_code == 403
    assert (await writer.get("/v1/templates")).status_code == 403
    assert (await writer.post("/v1/templates", body)).status_code == 201


async def test_another_environment_has_templates_of_its_own_under_the_same_name(api: Api, other: Api) -> None:
    await made(api)
    await made(other, schema={"other": "string"})
    assert "other" not in (await api.get("/v1/templates/delivery_note")).text
    assert (await other.delete("/v1/templates/delivery_note")).status_code == 204
    assert (await api.get("/v1/templates/delivery_note")).status_code == 200


async def test_deleted_content_of_a_job_forgets_its_template(api: Api, hand: Hand) -> None:
    await made(api)
    job = (await api.post("/v1/extract", {"source": TEXT, "template": "delivery_note"})).json()
    await hand.fail()
    tombstone = (await api.delete(f"/v1/jobs/{job['id']}/content")).json()
    assert tombstone["template"] is None
