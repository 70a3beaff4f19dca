"""Keep schemas under names in the service: one call for each thing that can be done with a template.

made = client.send(templates.create("delivery_note", {"delivered_on": "date"}))
job = client.extract("note.pdf", "delivery_note")
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from affidavit.client import reply
from affidavit.client.call import Call, Schema, as_schema
from affidavit.client.models import Template, TemplatePage


def create(
    name: str,
    schema: Schema,
    *,
    description: str = "",
    options: Mapping[str, Any] | None = None,
    review: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Template]:
    """Make a template. `schema` is JSON Schema, the shorthand, or a pydantic model."""
    body = _body(schema, description, options, review) | {"name": name}
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    return _send("POST", "/v1/templates", body, headers)


def change(
    name: str,
    schema: Schema,
    *,
    based_on: int | None = None,
    description: str = "",
    options: Mapping[str, Any] | None = None,
    review: Mapping[str, Any] | None = None,
) -> Call[Template]:
    """Make the next version. With `based_on` it is refused when there is a newer one than that."""
    headers = {} if based_on is None else {"If-Match": f'"{based_on}"'}
    return _send("PUT", _path(name), _body(schema, description, options, review), headers)


def get(name: str) -> Call[Template]:
    """Get a template: the newest version of `NAME`, or `NAME@VERSION`."""
    return Call("GET", _path(name), reply.template)


def page(
    *, starter: bool | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[TemplatePage]:
    """List templates by name, without their schemas; `starter` only those of the service, or only yours."""
    given = {
        "starter": None if starter is None else str(starter).lower(),
        "limit": None if limit is None else str(limit),
        "cursor": cursor,
    }
    return Call(
        "GET",
        "/v1/templates",
        reply.template_page,
        {name: value for name, value in given.items() if value is not None},
    )


def delete(name: str) -> Call[None]:
    """Delete a template with its versions; jobs keep the schema that they took from it."""
    return Call("DELETE", _path(name), reply.nothing)


def _body(
    schema: Schema,
    description: str,
    options: Mapping[str, Any] | None,
    review: Mapping[str, Any] | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": as_schema(schema), "description": description}
    return (
        body | ({"options": dict(options)} if options else {}) | ({"review": dict(review)} if review else {})
    )


def _send(method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Call[Template]:
    content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    return Call(
        method, path, reply.template, headers={"Content-Type": "application/json", **headers}, body=content
    )


def _path(name: str) -> str:
    return f"/v1/templates/{quote(name, safe='@')}"
