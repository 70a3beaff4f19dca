"""The OpenAPI document is whole, its examples are true, and the application keeps to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis import GenerationMode, checks

from affidavit.api import openapi
from affidavit.api.endpoint import Endpoint
from affidavit.api.endpoints import ENDPOINTS
from affidavit.api.problems import RESPONSE_CODES
from affidavit.app import create_app
from tests.api.conftest import settings_for

DOCUMENT = openapi.build(ENDPOINTS, version="1", public_url="http://affidavit")
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
FUZZED = [endpoint for endpoint in ENDPOINTS if endpoint.path != "/openapi.json"]
MAX_EXAMPLES = 25  # an operation and mode; more are found by `schemathesis run` on a served document
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:api", Resource(contents=DOCUMENT, specification=DRAFT202012)
)


def check(schema: dict[str, Any], value: object) -> None:
    Draft202012Validator({"$id": "urn:check", **_absolute(schema)}, registry=REGISTRY).validate(value)


def _absolute(node: Any) -> Any:
    if isinstance(node, list):
        return [_absolute(child) for child in node]
    if isinstance(node, dict):
        return {
            name: f"urn:api{child}" if name == "$ref" else _absolute(child) for name, child in node.items()
        }
    return node


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[o[2]["operationId"] for o in OPERATIONS]
)
def test_every_operation_is_described_with_examples_that_are_true(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    contents = [reply["content"] for reply in operation["responses"].values() if "content" in reply]
    contents.append(operation.get("requestBody", {}).get("content", {}))
    for content in contents:
        for media_type, described in content.items():
            examples = [each["value"] for each in described.get("examples", {}).values()]
            examples += [described["example"]] if "example" in described else []
            assert examples or "json" not in media_type
            for example in examples:
                check(described["schema"], example)


def test_codes_are_a_closed_list_and_each_is_documented_somewhere() -> None:
    documented = {code for endpoint in ENDPOINTS for code in endpoint.all_codes}

    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(RESPONSE_CODES)
    # These come from paths and methods that no operation describes, or are bases of others.
    assert set(RESPONSE_CODES) - documented == {
        "METHOD_NOT_ALLOWED",
        "HTTP_INVALID",
        "HEAD_TOO_LARGE",
        "CONFLICT",
        "GONE",
        "SERVICE_ERROR",
        "PAGE_RANGE_INVALID",
    }


def test_every_route_of_the_application_is_in_the_document() -> None:
    described = {(method.upper(), path) for path, method, _ in OPERATIONS}

    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_operation_names_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def served(
    module_database_url: str, redis_url_of_module: str, tmp_path_factory: Any
) -> Iterator[tuple[str, str]]:
    """Serve the application on a port of its own, and return its address with a key."""
    folder: Path = tmp_path_factory.mktemp("openapi")
    given = settings_for(module_database_url, redis_url_of_module, folder, sync_wait_seconds=0.2)
    app = create_app(given)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    loop = server.servers[0].get_loop()
    made = asyncio.run_coroutine_threadsafe(
        app.state.services.accounts.create_key("fuzz", "fuzz"), loop
    ).result()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", made.text
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def redis_url_of_module(servers: Any) -> str:
    return str(servers.redis_url)


CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("endpoint", FUZZED, ids=lambda endpoint: endpoint.operation_id)
def test_nothing_that_is_sent_gets_an_answer_that_is_not_documented(
    served: tuple[str, str], endpoint: Endpoint, mode: GenerationMode
) -> None:
    url, key = served
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=url)
    strategy = schema[endpoint.path][endpoint.method].as_strategy(generation_mode=mode)

    @settings(
        max_examples=MAX_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def fuzz(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=CHECKS)

    try:
        fuzz()
    except (Unsatisfiable, SkipTest):
        pytest.skip(f"nothing to send that is {mode.value}")
