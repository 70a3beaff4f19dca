"""Build the OpenAPI 3.1 document from the endpoints and their models."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from affidavit.api import webhook_messages
from affidavit.api.bundle_examples import RECEIPT_ID
from affidavit.api.endpoint import Endpoint, Reply
from affidavit.api.examples import ARTIFACT, BUNDLE_ID, FILE_ID, JOB_ID
from affidavit.api.objects import Problem
from affidavit.api.problems import PROBLEMS, TYPE_PREFIX, status_of
from affidavit.api.render import JSON, PROBLEM_JSON
from affidavit.api.webhook_examples import DELIVERY_ID, ENDPOINT_ID
from affidavit.templates.reference import REFERENCE_PATTERN

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_PATH_PARAMETERS: Final[Mapping[str, Json]] = {
    "job_id": {"schema": {"type": "string", "pattern": "^job_[0-9a-z]{26}$"}, "example": JOB_ID},
    "file_id": {"schema": {"type": "string", "pattern": "^file_[0-9a-z]{26}$"}, "example": FILE_ID},
    "endpoint_id": {"schema": {"type": "string", "pattern": "^wh_[0-9a-z]{26}$"}, "example": ENDPOINT_ID},
    "delivery_id": {"schema": {"type": "string", "pattern": "^dlv_[0-9a-z]{26}$"}, "example": DELIVERY_ID},
    "bundle_id": {"schema": {"type": "string", "pattern": "^ev_[0-9a-z]{26}$"}, "example": BUNDLE_ID},
    "receipt_id": {"schema": {"type": "string", "pattern": "^rcpt_[0-9a-z]{26}$"}, "example": RECEIPT_ID},
    "citation_id": {"schema": {"type": "string", "pattern": "^[cr][1-9][0-9]{0,8}$"}, "example": "c2"},
    "folder": {
        "schema": {"type": "string", "enum": ["source", "files", "pages"]},
        "example": "pages",
    },
    "name": {"schema": {"type": "string", "maxLength": 200}, "example": ARTIFACT["name"]},
    "template": {"schema": {"type": "string", "pattern": REFERENCE_PATTERN}, "example": "invoice@1"},
    "page": {"schema": {"type": "integer", "minimum": 1, "maximum": 999999}, "example": 1},
    "level": {
        "schema": {"type": "string", "pattern": "^(entries|[0-9]|[1-5][0-9]|6[0-3])$"},
        "example": "0",
    },
    "group": {"schema": {"type": "string", "pattern": "^x[0-9]{3}$"}, "example": "x001"},
    "tile": {"schema": {"type": "string", "pattern": "^[0-9]{3}$"}, "example": "067"},
    "width": {"schema": {"type": "integer", "minimum": 1, "maximum": 255}, "example": 2},
}
_HEADERS: Final[Mapping[str, tuple[str, Json]]] = {
    "Location": ("Where the resource is.", {"type": "string"}),
    "Retry-After": ("Seconds after which it is worth asking again; absent at the end.", {"type": "integer"}),
    "RateLimit": ("What is left of the quota, and in how many seconds it is whole.", {"type": "string"}),
    "RateLimit-Policy": ("The quota of the key: q requests in w seconds.", {"type": "string"}),
    "Idempotent-Replayed": ("true when an earlier request had made it.", {"type": "string"}),
    "ETag": ("Names these bytes; send it as If-None-Match.", {"type": "string"}),
    "Content-Encoding": ("zstd, for those who accept it.", {"type": "string"}),
    "Affidavit-Receipt": ("The receipt of this download: /v1/receipts/{id}.", {"type": "string"}),
    "Content-Range": ("Which bytes of how many.", {"type": "string"}),
    "Content-Disposition": ("An attachment under the file's name.", {"type": "string"}),
    "X-Request-Id": ("Names this request; yours, if you sent a sane one.", {"type": "string"}),
    "WWW-Authenticate": ("How to authenticate.", {"type": "string"}),
    "Allow": ("The methods that are possible.", {"type": "string"}),
}
_PREFER: Final[Json] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: wait N seconds for the result, at most as granted. `respond-async`: do not.",
    "schema": {"type": "string"},
    "example": "wait=20",
}
_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 255 visible ASCII characters, bare or in double quotes. Honoured for 30 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 257},
    "example": "order-4711-invoice",
}
_LAST_EVENT_ID: Final[Json] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "The id of the last event that arrived: the stream goes on after it.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    "example": "2",
}
_ABOUT: Final = """Send documents, get back values that cite the words on the page they came from.

Errors are `application/problem+json` (RFC 9457) with a `code` from a closed list; `errors[]` points at
the offending fields. Unknown fields and parameters are refused by name. Times are RFC 3339 in UTC."""
_TAGS: Final = (
    ("files", "Documents, uploaded once and used often."),
    ("operations", "What can be done with a document."),
    ("jobs", "Submissions: how they stand and what came of them."),
    ("bundles", "What was sealed: files, signatures, proofs, and what happened to them."),
    ("verification", "What anyone may ask without a key: the keys that sign, and receipts."),
    ("templates", "Schemas under a name, with options and versions."),
    ("webhooks", "Who is told when something happens, and what was told."),
    ("log", "The log of all bundles: hashes alone, for anyone."),
    ("system", "What the installation can do, and whether it is up."),
)


def build(endpoints: Iterable[Endpoint], *, version: str, public_url: str) -> Json:
    """Return the document."""
    listed = list(endpoints)
    paths: Json = {}
    for endpoint in listed:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Affidavit",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "webhooks": webhook_messages.describe(_REF),
        "components": {
            "schemas": _schemas(listed),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> Json:
    operation: Json = {
        "operationId": endpoint.operation_id,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description + _needs(endpoint),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        operation["requestBody"] = {"required": endpoint.body.required, "content": _content(endpoint)}
    return operation


def _needs(endpoint: Endpoint) -> str:
    return f"\n\nScopes: {', '.join(f'`{scope}`' for scope in endpoint.scopes)}." if endpoint.scopes else ""


def _parameters(endpoint: Endpoint) -> list[Json]:
    parameters = [
        {"name": name, "in": "path", "required": True, **_PATH_PARAMETERS[name]}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    schema = endpoint.query.model_json_schema(ref_template=_REF, mode="validation")
    for name, described in schema.get("properties", {}).items():
        shape = _inlined(described, schema.get("$defs", {}))
        description = shape.pop("description", "")
        shape.pop("title", None)
        parameters.append(
            {"name": name, "in": "query", "description": description, "schema": _present(shape)}
        )
    if endpoint.takes_prefer:
        parameters.append(_PREFER)
    if endpoint.takes_last_event_id:
        parameters.append(_LAST_EVENT_ID)
    if endpoint.takes_key:
        parameters.append(_IDEMPOTENCY_KEY)
    return parameters


def _inlined(schema: Json, definitions: Json) -> Json:
    """Return a parameter's schema without references, which are short there."""
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    copied = copy.deepcopy(schema)
    if "anyOf" in copied:
        copied["anyOf"] = [_inlined(option, definitions) for option in copied["anyOf"]]
    return copied


def _present(schema: Json) -> Json:
    """Leave out null: a query parameter is absent, never null."""
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    schema = {**(options[0] if len(options) == 1 else {}), **schema}
    return {name: value for name, value in schema.items() if not (name == "default" and value is None)}


def _content(endpoint: Endpoint) -> Json:
    assert endpoint.body is not None
    content: Json = {}
    if endpoint.body.model is not None:
        content[JSON] = {"schema": _reference(endpoint.body.model), "examples": endpoint.body.examples}
    if endpoint.body.multipart:
        content["multipart/form-data"] = {"schema": _form(endpoint.body.model)}
    return content


def _form(model: type[BaseModel] | None) -> Json:
    """Describe the form that says the same as a JSON body, with the document as `file`."""
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": "The document."}
    properties: Json = {"file": file}
    if model is None:
        return {
            "type": "object",
            "properties": properties,
            "required": ["file"],
            "additionalProperties": False,
        }
    for name, described in model.model_json_schema()["properties"].items():
        if name != "source":
            text = "As text." if name in ("priority", "webhook") else "As JSON text."
            said = f"{described.get('description', '')} {text}".strip()
            properties[name] = {"type": "string", "description": said}
    required = ["file", *(name for name in model.model_json_schema().get("required", []) if name != "source")]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _responses(endpoint: Endpoint) -> Json:
    responses: Json = {str(reply.status): _reply(endpoint, reply) for reply in endpoint.replies}
    coded = sorted(endpoint.all_codes, key=lambda code: (status_of(code), code))
    for status, codes in groupby(coded, key=status_of):
        responses[str(status)] = _problems(list(codes), status)
    return responses


def _reply(endpoint: Endpoint, reply: Reply) -> Json:
    described: Json = {"description": reply.description, "headers": _headers(*reply.headers)}
    if reply.media_type is None:
        return described
    content: Json = {"schema": _reply_schema(endpoint, reply)}
    if reply.example is not None:
        content["example"] = reply.example
    described["content"] = {reply.media_type: content}
    return described


def _reply_schema(endpoint: Endpoint, reply: Reply) -> Json:
    if reply.model is None:
        return {"type": "object"} if reply.media_type == JSON else {}
    if endpoint.takes_prefer and reply.status == 200:
        return {"anyOf": [_reference(reply.model), _REF_JOB]}
    return _reference(reply.model)


_REF_JOB: Final[Json] = {"$ref": _REF.format(model="JobObject")}


def _problems(codes: list[str], status: int) -> Json:
    listed = "; ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes)
    shape = {"allOf": [_reference(Problem), {"properties": {"code": {"enum": codes}}}]}
    named = {
        401: ("WWW-Authenticate",),
        405: ("Allow",),
        429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
        503: ("Retry-After",),
    }
    return {
        "description": f"{listed}.",
        "headers": _headers(*named.get(status, ())),
        "content": {PROBLEM_JSON: {"schema": shape, "examples": {code: _problem(code) for code in codes}}},
    }


def _problem(code: str) -> Json:
    kind = PROBLEMS[code]
    return {
        "summary": kind.title,
        "value": {
            "type": TYPE_PREFIX + code.lower().replace("_", "-"),
            "title": kind.title,
            "status": kind.status,
            "detail": kind.remedy,
            "instance": "/v1/parse",
            "code": code,
            "request_id": "req_01kz3v5m7q8r9s0t1v2w3x4y5z",
            "retryable": code in _RETRYABLE,
            "errors": [],
        },
    }


_RETRYABLE: Final = frozenset(
    {
        "BUNDLE_NOT_LOGGED",
        "IDEMPOTENCY_IN_PROGRESS",
        "OVERLOADED",
        "QUEUE_FULL",
        "RATE_LIMITED",
        "TOO_MANY_STREAMS",
        "REQUEST_TIMEOUT",
        "UNAVAILABLE",
        "NOT_READY",
        "INTERNAL_ERROR",
    }
)


def _headers(*names: str) -> Json:
    return {
        name: {"description": _HEADERS[name][0], "schema": _HEADERS[name][1]}
        for name in (*names, "X-Request-Id")
    }


def _schemas(endpoints: list[Endpoint]) -> Json:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization")]
    for endpoint in endpoints:
        if endpoint.body is not None and endpoint.body.model is not None:
            wanted.append((endpoint.body.model, "validation"))
        wanted += [(reply.model, "serialization") for reply in endpoint.replies if reply.model is not None]
    wanted += [(message, "serialization") for message in webhook_messages.MESSAGES]
    unique = list(dict.fromkeys(wanted))
    definitions: Json = models_json_schema(unique, ref_template=_REF)[1]["$defs"]
    return definitions


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}
