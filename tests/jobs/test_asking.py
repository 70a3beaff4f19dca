"""What one job may ask of a language model: its caps, and what a failure spares the requests after it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from affidavit.engine.errors import ModelNotConfigured
from affidavit.engine.model import ModelRequest, ask
from affidavit.engine.spec import Operation, Options, Spec
from affidavit.infra.model import ModelClient, ModelPolicy
from affidavit.jobs.asking import Asking, Caps, Models, Spent, model_for
from affidavit.jobs.claim import Claim
from affidavit.jobs.status import TaskKind
from tests.model_server import ModelServer, fails, hangs, model_server, says

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as started:
        started.otherwise = says("{}")  # its completions take 100 and 20 tokens
        yield started


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[ModelClient]:
    opened = ModelClient(
        ModelPolicy(server.url, timeout_seconds=5, concurrency=1, tries=2, first_pause_seconds=0.01)
    )
    yield opened
    await opened.close()


def held(**changes: Any) -> Claim:
    given: dict[str, Any] = dict.fromkeys(("parent_id", "document", "sealed_password", "media_type"))
    given |= {"asked_at": time.monotonic(), "task_id": "task_1", "job_id": "job_1", "environment_id": "env_1"}
    given |= {"kind": TaskKind.FINISH, "n": 2, "attempt": 1, "failures": 0, "crashes": 0, "pages": None}
    given |= {"operation": "extract", "spec": {}, "source": {}, "store": True, "priority": 0, "page_count": 1}
    return Claim(**given | {"submitted_at": datetime.now(UTC)} | changes)


def asking(client: ModelClient, caps: Caps, **changes: Any) -> Asking:
    spec = Spec(operation=Operation.EXTRACT, json_schema=SCHEMA)
    return Asking(Models(client, ("small",), caps, concurrency=1), "small", spec, held(**changes))


def requests(count: int, max_tokens: int = 50) -> list[ModelRequest]:
    return [ask(f"a.{n}", "Do it.", "Total 1", SCHEMA, max_tokens=max_tokens) for n in range(count)]


async def ask_all(one: Asking, asked: list[ModelRequest]) -> list[str | None]:
    """Ask, and return the code of each that failed, None for the others."""
    await one.ask_all(asked)
    return [reply.error for reply in one.replies]


async def test_tokens_are_counted_as_the_server_says(client: ModelClient) -> None:
    one = asking(client, Caps())

    assert await ask_all(one, requests(3)) == [None] * 3
    assert one.spent == Spent(requests=3, input_tokens=300, output_tokens=60)
    assert one.to_json()["asked"] == {
        "name": "small",
        "version": "fp_1",
        "requests": 3,
        "input_tokens": 300,
        "output_tokens": 60,
        "failure": None,
    }


@pytest.mark.parametrize(
    "caps",
    [
        Caps(requests=2),
        Caps(tokens=700),
        Caps(cost=0.0007, input_price=1, output_price=1),
    ],
)
async def test_request_past_a_cap_is_not_made(server: ModelServer, client: ModelClient, caps: Caps) -> None:
    one = asking(client, caps)

    found = [await ask_all(one, [request]) for request in requests(5)][-1]

    assert 0 < len(server.asked) < 5
    assert found == [None] * len(server.asked) + ["MODEL_LIMIT"] * (5 - len(server.asked))
    assert one.spent.input_tokens + one.spent.output_tokens <= 700


async def test_no_request_waits_for_what_has_failed_another(server: ModelServer, client: ModelClient) -> None:
    server.otherwise = fails(503)
    one = asking(client, Caps())

    assert await ask_all(one, requests(5)) == ["MODEL_UNAVAILABLE"] * 5
    assert len(server.asked) == 2  # the tries of the first


async def test_refusal_of_one_request_spares_the_others(server: ModelServer, client: ModelClient) -> None:
    server.script = [says("", finish_reason="content_filter")]

    found = await ask_all(asking(client, Caps()), requests(3))

    assert sorted(found, key=str) == ["MODEL_REFUSED", None, None]


async def test_reply_longer_than_its_cap_of_tokens_is_not_taken(
    server: ModelServer, client: ModelClient
) -> None:
    server.script = [says("x" * 1000)]

    assert await ask_all(asking(client, Caps()), requests(1, max_tokens=20)) == ["MODEL_LIMIT"]


@pytest.mark.parametrize(
    ("caps", "changes"),
    [(Caps(total=timedelta(seconds=0.3)), {}), (Caps(), {"left_seconds": 5.3})],
    ids=["cap", "deadline of the job, less what finishing takes"],
)
async def test_asking_ends_in_time(
    server: ModelServer, client: ModelClient, caps: Caps, changes: dict[str, Any]
) -> None:
    server.otherwise = hangs
    began = time.monotonic()

    assert await ask_all(asking(client, caps, **changes), requests(2)) == ["MODEL_TIMEOUT"] * 2
    assert time.monotonic() - began < 4


def test_model_is_chosen_by_the_options(client: ModelClient) -> None:
    models = Models(client, ("small", "large"))
    extract = Operation.EXTRACT

    assert model_for(models, extract, Options()) == "small"
    assert model_for(models, extract, Options(model="large")) == "large"
    assert model_for(models, extract, Options(model="none")) is None
    assert model_for(models, Operation.PARSE, Options(model="large")) is None
    assert model_for(None, extract, Options()) is None
    for known in (None, models):
        with pytest.raises(ModelNotConfigured):
            model_for(known, extract, Options(model="gone"))
