"""A schema is compiled into the values to fill, or refused with the place that is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema import ArrayNode, Leaf, LeafType, compile_schema


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _leaf(schema: dict[str, Any], *path: str) -> Leaf:
    return next(leaf for leaf in compile_schema(schema).leaves if leaf.path == path)


def test_leaves_keep_the_order_and_the_path_of_the_schema() -> None:
    schema = _object(
        total={"type": "number"},
        seller=_object(name={"type": "string"}),
        lines={"type": "array", "items": _object(amount={"type": "number"})},
        tags={"type": "array", "items": {"type": "string"}},
    )
    paths = [leaf.path for leaf in compile_schema(schema).leaves]
    assert paths == [("total",), ("seller", "name"), ("lines", "[]", "amount"), ("tags", "[]")]


def test_leaf_carries_what_the_schema_says_about_it() -> None:
    leaf = _leaf(
        _object(due={"type": "string", "format": "date", "title": "Due", "description": "Pay by"}), "due"
    )
    assert (leaf.name, leaf.format, leaf.title, leaf.description) == ("due", "date", "Due", "Pay by")


@pytest.mark.parametrize(
    "nullable",
    [
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"enum": ["a", None]},
        {"oneOf": [{"$ref": "#/$defs/text"}, {"type": "null"}]},
    ],
)
def test_every_spelling_of_null_makes_a_leaf_nullable(nullable: dict[str, Any]) -> None:
    schema = {**_object(note=nullable), "$defs": {"text": {"type": "string"}}}
    assert _leaf(schema, "note").nullable


def test_local_references_are_followed_and_their_siblings_win() -> None:
    schema = {
        **_object(price={"$ref": "#/$defs/money", "title": "Price"}),
        "$defs": {"money": {"type": "number", "title": "Money"}},
    }
    leaf = _leaf(schema, "price")
    assert (leaf.type, leaf.title) == (LeafType.NUMBER, "Price")


def test_references_are_read_as_the_fragment_of_a_url() -> None:
    schema = {**_object(a={"$ref": "#/$defs/a%20b~1c"}), "$defs": {"a b/c": {"type": "number"}}}
    assert compile_schema(schema).leaves[0].type is LeafType.NUMBER


def test_all_of_merges_the_properties_of_its_parts() -> None:
    schema = {"allOf": [_object(a={"type": "string"}), _object(b={"type": "integer"})]}
    assert [leaf.name for leaf in compile_schema(schema).leaves] == ["a", "b"]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (["a", "b"], LeafType.STRING),
        ([1, 2], LeafType.INTEGER),
        ([1.5], LeafType.NUMBER),
        ([True], LeafType.BOOLEAN),
    ],
)
def test_enum_without_a_type_gets_the_type_of_its_members(choices: list[Any], expected: LeafType) -> None:
    leaf = _leaf(_object(kind={"enum": choices}), "kind")
    assert (leaf.type, leaf.enum) == (expected, tuple(choices))


def test_properties_may_be_called_like_keywords() -> None:
    schema = _object(
        **{"$ref": {"type": "string"}, "pattern": {"type": "string"}, "type": {"type": "string"}}
    )
    assert [leaf.name for leaf in compile_schema(schema).leaves] == ["$ref", "pattern", "type"]


def test_keywords_inside_data_are_not_read_as_schema() -> None:
    schema = _object(
        kind={"type": "string", "default": {"$ref": "http://example.com"}, "examples": [{"pattern": "("}]}
    )
    assert len(compile_schema(schema).leaves) == 1


def test_array_node_stands_where_the_schema_has_it() -> None:
    child = dict(compile_schema(_object(lines={"type": "array", "items": _object(a={})})).root.children)[
        "lines"
    ]
    assert isinstance(child, ArrayNode)
    assert child.path == ("lines",)


_ENDLESS = {"type": "object", "properties": {"parts": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "array", "items": {}}, "/type"),
        ({"type": "string"}, "/type"),
        ({"type": "object"}, "/properties"),
        (_object(a={"type": "strng"}), "/properties/a/type"),
        (_object(a={"type": "null"}), "/properties/a/type"),
        (_object(a={"type": "string", "minLength": -1}), "/properties/a/minLength"),
        (_object(a={"required": "b"}), "/properties/a/required"),
        ({"type": "object", "properties": []}, "/properties"),
        (_object(a={"pattern": "("}), "/properties/a/pattern"),
        (_object(a={"pattern": "a" * 501}), "/properties/a/pattern"),
        (_object(a={"patternProperties": {"[": {}}}), "/properties/a/patternProperties/["),
        (_object(**{"a/b": {"type": 3}}), "/properties/a~1b/type"),
        (_object(a={"$ref": "https://example.com/schema"}), "/properties/a/$ref"),
        (_object(a={"$ref": "#/$defs/missing"}), "/properties/a/$ref"),
        (_object(a={"if": {"$ref": "other.json"}}), "/properties/a/if/$ref"),
        (_object(a={"$dynamicRef": "#node"}), "/properties/a/$dynamicRef"),
        (_object(a={"$id": "https://example.com/a"}), "/properties/a/$id"),
        (
            {**_object(a={"$ref": "#/$defs/node"}), "$defs": {"node": _ENDLESS}},
            "/$defs/node/properties/parts/items/$ref",
        ),
        (_object(a={"$ref": "#"}), "/properties/a/$ref"),
        (_object(**{"[]": {"type": "string"}}), "/properties/[]"),
        ({**_object(a={"$ref": "#/allOf/\u00b2"}), "allOf": [{}]}, "/properties/a/$ref"),
        ({**_object(a={"$ref": "#/$defs/a%20b"}), "$defs": {"a%20b": {}}}, "/properties/a/$ref"),
    ],
)
def test_bad_schema_is_refused_with_the_place_that_is_wrong(schema: dict[str, Any], path: str) -> None:
    with pytest.raises(SchemaInvalid) as refusal:
        compile_schema(schema)
    assert refusal.value.path in (path, path.removesuffix("/$ref"))
    assert refusal.value.code == "SCHEMA_INVALID"


def test_schema_that_is_no_object_is_refused() -> None:
    with pytest.raises(SchemaInvalid):
        compile_schema([])  # type: ignore[arg-type]


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = _object(a=schema)
    return schema


def test_depth_is_accepted_at_the_limit_and_refused_past_it() -> None:
    assert len(compile_schema(_nested(12)).leaves) == 1
    with pytest.raises(SchemaInvalid, match="12 levels"):
        compile_schema(_nested(13))


def test_leaves_are_accepted_at_the_limit_and_refused_past_it() -> None:
    assert len(compile_schema(_object(**{f"a{n}": {"type": "string"} for n in range(500)})).leaves) == 500
    with pytest.raises(SchemaInvalid, match="500 values"):
        compile_schema(_object(**{f"a{n}": {"type": "string"} for n in range(501)}))


def test_deep_json_is_refused_before_anything_recurses_into_it() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"not": schema}
    with pytest.raises(SchemaInvalid, match="nested"):
        compile_schema(_object(a=schema))


def test_references_that_multiply_are_refused_before_they_are_unfolded() -> None:
    levels = {
        f"l{n}": _object(**{f"p{m}": {"$ref": f"#/$defs/l{n + 1}"} for m in range(10)}) for n in range(9)
    }
    schema = {**_object(a={"$ref": "#/$defs/l0"}), "$defs": {**levels, "l9": {"type": "object"}}}
    with pytest.raises(SchemaInvalid, match="unfolded"):
        compile_schema(schema)


def test_compiling_loads_no_reader_of_documents() -> None:
    heavy = "{'pymupdf', 'PIL', 'numpy', 'babel'}"
    code = f"import sys, affidavit.engine.schema; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert printed.stdout.strip() == "[]"


def test_hints_of_a_field_stand_on_its_leaf_and_those_of_place_hold_below() -> None:
    schema = _object(
        total={"type": "number", "x-labels": ["Amount due", "Balance"], "x-page": -1},
        seller={**_object(name={"x-anchor": "From"}, city={}), "x-anchor": "Seller", "x-page": [1, 2]},
    )
    total, name, city = compile_schema(schema).leaves

    assert (total.labels, total.anchor, total.pages) == (("Amount due", "Balance"), None, (-1,))
    assert (name.labels, name.anchor, name.pages) == ((), "From", (1, 2))
    assert (city.anchor, city.pages) == ("Seller", (1, 2))


@pytest.mark.parametrize(
    ("hint", "place"),
    [
        ({"x-labels": 7}, "/x-labels"),
        ({"x-labels": ["Total", ""]}, "/x-labels/1"),
        ({"x-labels": ["Total"] * 21}, "/x-labels"),
        ({"x-labels": "a" * 101}, "/x-labels"),
        ({"x-anchor": ["Seller"]}, "/x-anchor"),
        ({"x-page": 0}, "/x-page"),
        ({"x-page": "last"}, "/x-page"),
        ({"x-page": []}, "/x-page"),
        ({"x-page": True}, "/x-page"),
    ],
)
def test_hint_that_cannot_be_used_is_refused_at_its_place(hint: dict[str, Any], place: str) -> None:
    with pytest.raises(SchemaInvalid) as refusal:
        compile_schema(_object(total={"type": "number", **hint}))
    assert refusal.value.path == f"/properties/total{place}"


@pytest.mark.parametrize(
    ("pages", "page", "allowed"),
    [
        ((), 3, True),
        ((1,), 1, True),
        ((1,), 2, False),
        ((-1,), 5, True),
        ((-1,), 4, False),
        ((2, -2), 4, True),
    ],
)
def test_page_hint_counts_from_either_end(pages: tuple[int, ...], page: int, *, allowed: bool) -> None:
    leaf = Leaf(path=("a",), name="a", type=LeafType.STRING, pages=pages)
    assert leaf.may_be_on(page, 5) is allowed


def test_leaf_knows_every_type_that_its_branches_allow() -> None:
    price = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]+$"}, {"type": "null"}]}
    leaf = _leaf(_object(price=price, code={"type": ["integer", "string", "null"]}), "price")
    assert (leaf.type, leaf.other_types, leaf.nullable) == (LeafType.NUMBER, (LeafType.STRING,), True)
