"""The client names templates and keeps them, against the real application."""

from __future__ import annotations

from typing import Any

import pytest

from affidavit.client import ApiError, AsyncClient, Submission, Text, templates
from tests.api.conftest import Api


@pytest.fixture
async def client(anybody: Api, api: Api) -> Any:
    key = api.headers["Authorization"].removeprefix("Bearer ")
    async with AsyncClient("http://affidavit", key, transport=anybody.client._transport) as client:
        yield client


async def test_template_is_made_changed_listed_used_and_deleted(client: AsyncClient) -> None:
    made = await client.send(templates.create("note", {"delivered_on": "date"}, options={"strict": True}))
    changed = await client.send(templates.change("note", {"carrier": "string"}, based_on=made.version))
    first = await client.send(templates.get("note@1"))
    page = await client.send(templates.page(starter=False))
    job = await client.extract(Text("Carrier: Swift"), "note")
    await client.send(templates.delete("note"))

    assert (made.version, changed.version, first.json_schema) == (1, 2, made.json_schema)
    assert [(each.name, each.version) for each in page.items] == [("note", 2)]
    assert job.template is not None
    assert (job.template.name, job.template.version, job.template.starter) == ("note", 2, False)
    with pytest.raises(ApiError, match="no such template"):
        await client.send(templates.get("note"))


async def test_change_of_what_was_changed_since_is_refused(client: AsyncClient) -> None:
    await client.send(templates.create("note", {"a": "string"}))
    await client.send(templates.change("note", {"b": "string"}))
    with pytest.raises(ApiError) as refused:
        await client.send(templates.change("note", {"c": "string"}, based_on=1))
    assert refused.value.problem.code == "TEMPLATE_CHANGED"


def test_text_for_a_schema_is_the_name_of_a_template() -> None:
    assert Submission("extract", Text("a"), "invoice@3").members() == {"template": "invoice@3"}
    assert Submission("extract", Text("a"), {"a": "string"}).members() == {"schema": {"a": "string"}}
