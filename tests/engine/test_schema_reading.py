"""A schema may be written in shorthand and as generators write it; what it means is plain JSON Schema."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema import LeafType
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.schema_shorthand import TYPE_NAMES


def _leaves(raw: Any) -> dict[str, tuple[LeafType, bool]]:
    return {".".join(leaf.path): (leaf.type, leaf.nullable) for leaf in read_schema(raw).leaves}


def test_shorthand_becomes_a_schema_with_types_descriptions_lists_and_choices() -> None:
    shorthand = {
        "total": "number: amount due",
        "lines": [{"description": "string", "quantity": "number"}],
        "status": "paid|open|overdue",
        "seller": {"name": "string!", "tags": "string[]"},
        "notes": "what else it says",
    }
    assert read_schema(shorthand).schema["properties"] == {
        "total": {"type": ["number", "null"], "description": "amount due"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "description": {"type": ["string", "null"]},
                    "quantity": {"type": ["number", "null"]},
                },
                "required": ["description", "quantity"],
                "additionalProperties": False,
            },
        },
        "status": {"type": ["string", "null"], "enum": ["paid", "open", "overdue", None]},
        "seller": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["name", "tags"],
            "additionalProperties": False,
        },
        "notes": {"type": ["string", "null"], "description": "what else it says"},
    }


@pytest.mark.parametrize("name", TYPE_NAMES)
def test_every_type_of_the_shorthand_makes_a_schema_that_accepts_null(name: str) -> None:
    schema = read_schema({"value": name}).schema
    Draft202012Validator(schema).validate({"value": None})
    assert len(read_schema({"value": name}).leaves) == 1


def test_shorthand_may_hold_pieces_of_json_schema() -> None:
    raw = {"total": {"type": "number", "x-labels": ["Balance"]}, "rate": "percent"}
    total, rate = read_schema(raw).leaves
    assert (total.labels, total.nullable, rate.format) == (("Balance",), False, "percent")


def test_fields_may_be_called_like_keywords() -> None:
    raw = {"type": "text", "title": "string", "items": ["string"], "format": "A4|A5"}
    assert list(read_schema(raw).schema["properties"]) == ["type", "title", "items", "format"]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({}, ""),
        ([], ""),
        ("total", ""),
        ({"total": "nubmer"}, "/total"),
        ({"total": "nubmer: amount due"}, "/total"),
        ({"total": ""}, "/total"),
        ({"total": 7}, "/total"),
        ({"total": None}, "/total"),
        ({"a/b": {"c": []}}, "/a~1b/c"),
        ({"lines": [{"a": "string"}, {"b": "string"}]}, "/lines"),
        ({"lines": [{"a": "strin"}]}, "/lines/0/a"),
        ({"lines": [{"a": {"type": "number", "minimum": "1"}}]}, "/lines/0/a/minimum"),
        ({"a": {"b": {"type": "string", "pattern": "("}}}, "/a/b/pattern"),
        ({"a": {"type": "string", "x-page": 0}}, "/a/x-page"),
        ({"a": {"$ref": "#/$defs/b"}}, "/a/$ref"),
        ({"[]": "string"}, "/[]"),
    ],
)
def test_shorthand_that_cannot_be_read_is_refused_at_its_own_place(raw: Any, path: str) -> None:
    with pytest.raises(SchemaInvalid) as refusal:
        read_schema(raw)
    assert refusal.value.path == path


def test_deep_shorthand_is_refused_before_anything_recurses_into_it() -> None:
    raw: Any = "string"
    for _ in range(5000):
        raw = {"a": raw}
    with pytest.raises(SchemaInvalid, match="nested"):
        read_schema(raw)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"const": 1, "type": "integer", "nullable": True}, {"enum": [1, None], "type": ["integer", "null"]}),
        ({"$ref": "#/$defs/text", "nullable": True}, {"anyOf": [{"$ref": "#/$defs/text"}, {"type": "null"}]}),
    ],
)
def test_nullable_of_openapi_becomes_the_type_null(written: dict[str, Any], meant: dict[str, Any]) -> None:
    raw = {"type": "object", "properties": {"a": written}, "$defs": {"text": {"type": "string"}}}
    compiled = read_schema(raw)
    assert compiled.schema["properties"]["a"] == meant
    assert compiled.leaves[0].nullable is written["nullable"]


def test_property_called_nullable_stays_a_property() -> None:
    raw = {"type": "object", "properties": {"nullable": {"type": "boolean"}}}
    assert read_schema(raw).schema == raw


class _Status(StrEnum):
    OPEN = "open"
    PAID = "paid"


class _Line(BaseModel):
    description: str
    quantity: float | None = None


class _Invoice(BaseModel):
    kind: Literal["invoice"]
    total: Decimal = Field(description="Total amount due", ge=0, decimal_places=2)
    status: _Status | None = None
    lines: list[_Line] = []
    extra: dict[str, str] = {}
    parties: tuple[str, ...] = ()
    one: int | str


def test_schema_of_pydantic_is_read_as_it_comes() -> None:
    assert _leaves(_Invoice.model_json_schema()) == {
        "kind": (LeafType.STRING, False),
        "total": (LeafType.NUMBER, False),
        "status": (LeafType.STRING, True),
        "lines.[].description": (LeafType.STRING, False),
        "lines.[].quantity": (LeafType.NUMBER, True),
        "parties.[]": (LeafType.STRING, False),
        "one": (LeafType.INTEGER, False),
    }


def test_schema_with_its_root_in_definitions_is_read_as_other_generators_write_it() -> None:
    raw = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/Invoice",
        "definitions": {"Invoice": {"type": "object", "properties": {"total": {"type": "number"}}}},
    }
    assert _leaves(raw) == {"total": (LeafType.NUMBER, False)}


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"items": [{}]}, "prefixItems"),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, "older drafts"),
        ({"type": "object", "properties": {"b": {"required": True}}}, "beside"),
        ({"type": "string", "enum": "a"}, "type array"),
        ({"type": "text"}, "use one of"),
    ],
)
def test_refusal_says_how_it_is_written_now(part: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaInvalid, match=said):
        read_schema({"type": "object", "properties": {"a": part}})


def test_costly_pattern_is_read_at_the_door_without_being_compiled() -> None:
    slow = {f"a{n}": {"type": "string", "pattern": "(?i)" + "[a-\uffff]" * 90} for n in range(300)}
    assert len(read_schema({"type": "object", "properties": slow}).leaves) == 300
