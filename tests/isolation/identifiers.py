"""Every place of the API where an object can be named, found in what the API says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from affidavit.api import openapi
from affidavit.api.endpoints import ENDPOINTS, OPERATIONS

DOCUMENT = openapi.build(ENDPOINTS, version="0", public_url="http://affidavit")

# A name of something: whatever ends so, and the words that stand for it.
NAMING = re.compile(r"(.*_)?ids?|cursor|template|parent|source_job|against")
# What is called so and names nothing that is stored.
NAMES_NOTHING = {
    "last_event_id": "the number of an event of the job in the path",
    "agent_id": "whom the caller acts for, in its own words",
}

# What an id in this place is an id of.
KINDS: Mapping[str, str] = {
    "job_id": "job_id",
    "parent_id": "job_id",
    "job_ids": "job_id",
    "file_id": "file_id",
    "endpoint_id": "endpoint_id",
    "delivery_id": "delivery_id",
    "cursor": "cursor",
    "name": "name",
    "template": "template",
    "bundle_id": "bundle_id",
    "against": "bundle_id",
}
# No object has it.
MISSING: Mapping[str, str] = {
    "job_id": "job_00000000000000000000000000",
    "file_id": "file_00000000000000000000000000",
    "endpoint_id": "wh_00000000000000000000000000",
    "delivery_id": "dlv_00000000000000000000000000",
    "name": "nothing.pdf",
    "template": "nothing_of_that_name",
    "bundle_id": "ev_00000000000000000000000000",
}

# Bodies that name an object, by operation and place; NAMED is where its id goes.
NAMED = "NAMED"
WAYS = ("file_id", "job_id")  # to name a document that is there already


def _submissions() -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield, for each operation, its own example with a document that is named."""
    for endpoint in OPERATIONS:
        assert endpoint.body is not None
        example = next(iter(endpoint.body.examples.values()))["value"]
        for way in WAYS:
            body = {**example, "source": {way: NAMED}}
            yield (f"POST {endpoint.path}", f"source.{way}"), body
    for way in WAYS:
        item = {"operation": "parse", "source": {way: NAMED}}
        body = {"items": [item, {"operation": "parse", "source": {"text": "mine"}}]}
        yield ("POST /v1/jobs", f"items.source.{way}"), body


def _with_templates() -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield the submissions that name a template instead of a schema."""
    text = {"source": {"text": "mine"}}
    extract = {"operation": "extract", "template": NAMED}
    yield ("POST /v1/extract", "template"), {**text, "template": NAMED}
    yield ("POST /v1/pipeline", "steps.template"), {**text, "steps": [extract]}
    yield ("POST /v1/jobs", "items.template"), {"items": [{**text, **extract}]}
    piped = {**text, "operation": "pipeline", "steps": [extract]}
    yield ("POST /v1/jobs", "items.steps.template"), {"items": [piped]}


def _with_others() -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield the submissions that name further documents, by the jobs that read them."""
    text = {"source": {"text": "mine"}}
    schema = {"operation": "schema", "job_ids": [NAMED]}
    yield ("POST /v1/schema", "job_ids"), {**text, "job_ids": [NAMED]}
    yield ("POST /v1/pipeline", "steps.job_ids"), {**text, "steps": [schema]}
    yield ("POST /v1/jobs", "items.job_ids"), {"items": [{**text, **schema}]}
    piped = {**text, "operation": "pipeline", "steps": [schema]}
    yield ("POST /v1/jobs", "items.steps.job_ids"), {"items": [piped]}


BODIES: Mapping[tuple[str, str], Any] = dict([*_submissions(), *_with_templates(), *_with_others()])
# What else has to be in a request that names its object in the path.
BESIDES: Mapping[str, Any] = {
    "PUT /v1/templates/{template}": {"schema": {"total": "number"}},
    "POST /v1/jobs/{job_id}/review": {"action": "approve", "version": 1},
    "POST /v1/bundles/{bundle_id}/history": {"agent_id": "mine", "action": "read"},
    "POST /v1/bundles/{bundle_id}/handoffs": {"from_agent": "mine", "to_agent": "yours"},
    "PUT /v1/bundles/{bundle_id}/legal-hold": {"reason": "mine"},
}
# In a path everything names something, but for these: a receipt's id is for whoever knows it.
COUNTS = {"page", "level", "group", "tile", "width", "folder", "citation_id", "receipt_id"}
# What stands there instead, where 1 would not do: every bundle has these.
COMMON: Mapping[str, str] = {"folder": "files", "citation_id": "c1"}


@dataclass(frozen=True)
class Place:
    """One parameter of one route. `where` is path, query or body; `name` has dots inside of a body."""

    method: str
    path: str
    where: str
    name: str

    @property
    def kind(self) -> str:
        return KINDS[self.name.rpartition(".")[2]]

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    def __str__(self) -> str:
        return f"{self.route} {self.where} {self.name}"


def places() -> list[Place]:
    """Return every place where an id can be given, known to us or not."""
    return list(_places())


def _places() -> Iterator[Place]:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                found = _resolved(parameter)
                is_in_path = found["in"] == "path" and found["name"] not in COUNTS
                if is_in_path or (found["in"] == "query" and is_naming(found["name"])):
                    yield Place(method.upper(), path, found["in"], found["name"])
            for name in sorted(set(_body_names(operation))):
                if is_naming(name.rpartition(".")[2]):
                    yield Place(method.upper(), path, "body", name)


def is_naming(name: str) -> bool:
    return NAMING.fullmatch(name) is not None and name not in NAMES_NOTHING


def _body_names(operation: Mapping[str, Any]) -> Iterator[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from _names(content.get("schema", {}), "", 0)


def _names(schema: Any, prefix: str, depth: int) -> Iterator[str]:
    """Yield the dotted names of all properties, through references, arrays and alternatives."""
    if depth > 12 or not isinstance(schema, dict):
        return
    schema = _resolved(schema)
    for name, child in schema.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from _names(child, f"{prefix}{name}.", depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        for child in schema.get(key, ()):
            yield from _names(child, prefix, depth + 1)
    yield from _names(schema.get("items"), prefix, depth + 1)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node
