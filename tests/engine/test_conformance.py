"""Data keeps to its schema wherever it can, and where it does not the result says so."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.result import FieldValue
from affidavit.engine.schema import Leaf, LeafType, compile_schema
from affidavit.engine.schema_check import pointer
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.schema_shorthand import _KEYWORDS
from affidavit.engine.stages.conformance import FORMATS, check, coerced
from affidavit.engine.stages.field_tree import lay_out, tree_of
from affidavit.engine.stages.fields.assembly import Item, fill

BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


names = st.sampled_from(["a", "b", "total", "a/b", "x~y", "type", "properties", "ä", "", "a.b"])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = [*sorted(_KEYWORDS), "nullable", "x-labels", "x-anchor", "x-page"]
rubble = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS) | names, inner, max_size=5)
    ),
    max_leaves=25,
)


@st.composite
def leaf_schemas(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["string", "number", "integer", "boolean"]))
    schema: dict[str, Any] = {"type": draw(st.sampled_from([kind, [kind, "null"]]))}
    match kind:
        case "string":
            schema |= draw(
                st.sampled_from(
                    [{}, {"format": "date"}, {"format": "email"}, {"pattern": "^a"}, {"enum": ["a", "b"]}]
                )
            )
        case "number" | "integer":
            schema |= draw(st.sampled_from([{}, {"minimum": 3}, {"maximum": 9}, {"enum": [1, 2]}]))
    return draw(
        st.sampled_from(
            [schema, {"anyOf": [schema, {"type": "null"}]}, {"allOf": [schema]}, {"title": "T", **schema}]
        )
    )


def _grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return objects(inner) | st.builds(lambda item: {"type": "array", "items": item, "maxItems": 2}, inner)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, inner, min_size=1, max_size=4))
    schema: dict[str, Any] = {
        "type": draw(st.sampled_from(["object", ["object", "null"]])),
        "properties": properties,
        "required": draw(st.lists(st.sampled_from(sorted(properties)), unique=True)),
    }
    return schema | draw(st.sampled_from([{}, {"additionalProperties": False}]))


schemas = objects(st.recursive(leaf_schemas(), _grown, max_leaves=6))
values = scalars | st.sampled_from(["2026-03-14", "a", "abc", "a@example.com", "7", "7.5", "true", "B"])


@BOUNDED
@given(raw=rubble)
def test_no_schema_crashes_the_reading_of_it(raw: Any) -> None:
    with suppress(SchemaInvalid):
        compiled = read_schema(raw)
        Draft202012Validator.check_schema(compiled.schema)


@BOUNDED
@given(schema=schemas, data=st.data())
def test_data_validates_or_the_violations_are_those_that_jsonschema_finds(
    schema: dict[str, Any], data: st.DataObject
) -> None:
    compiled = compile_schema(schema)
    found = {
        leaf.path: FieldValue(value=data.draw(values), confidence=50)
        for leaf in compiled.leaves
        if not leaf.repeats
    }
    filled = fill(compiled.root, found, {})

    errors = Draft202012Validator(schema, format_checker=FORMATS).iter_errors(filled.data)
    assert [violation.path for violation in check(filled.data, schema)] == sorted(
        (pointer(error.absolute_path) for error in errors), key=lambda path: path.split("/")
    )


@BOUNDED
@given(schema=schemas)
def test_data_without_any_value_breaks_only_what_must_be_there(schema: dict[str, Any]) -> None:
    """Every violation is at a required value that may not be null, and every other place is in order."""
    compiled = compile_schema(schema)
    filled = fill(compiled.root, {}, {})
    required = {pointer(leaf.path) for leaf in compiled.leaves if not leaf.nullable}
    assert {violation.path for violation in check(filled.data, schema)} <= required
    again = lay_out(compiled.root, tree_of(compiled.root, filled.data, filled.fields))
    assert again == filled


ADDRESS = {**_object(street={"type": "string"}, city={"type": "string"}), "required": ["street"]}


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (_object(address=ADDRESS), {}),
        (_object(address={"anyOf": [ADDRESS, {"type": "null"}]}), {"address": None}),
        ({**_object(address=ADDRESS), "required": ["address"]}, {"address": {"street": None}}),
        (_object(address=_object(street={"type": "string"})), {"address": {}}),
        (_object(note={"type": "string"}, other={"type": ["string", "null"]}), {"other": None}),
    ],
)
def test_what_is_not_found_is_left_out_or_null_as_the_schema_allows(
    schema: dict[str, Any], data: dict[str, Any]
) -> None:
    assert fill(compile_schema(schema).root, {}, {}).data == data


def test_missing_value_that_is_required_and_not_nullable_is_named() -> None:
    schema = {**_object(lines={"type": "array", "items": ADDRESS}), "required": ["lines"]}
    root = compile_schema(schema).root
    item = Item({("lines", "[]", "city"): FieldValue(value="Riga", confidence=90)})
    violations = check(fill(root, {}, {("lines",): [item]}).data, schema)
    assert [violation.path for violation in violations] == ["/lines/0/street"]


def _leaf(kind: LeafType, *others: LeafType, **more: Any) -> Leaf:
    return Leaf(path=("a",), name="a", type=kind, other_types=others, **more)


@pytest.mark.parametrize(
    ("value", "leaf", "expected"),
    [
        ("12", _leaf(LeafType.INTEGER), 12),
        ("12.50", _leaf(LeafType.NUMBER), 12.5),
        (12.0, _leaf(LeafType.INTEGER), 12),
        (12.5, _leaf(LeafType.INTEGER), 12.5),
        ("1.234,50", _leaf(LeafType.NUMBER), "1.234,50"),
        ("0.1234567890123456789", _leaf(LeafType.NUMBER), "0.1234567890123456789"),
        (4711, _leaf(LeafType.STRING), "4711"),
        (0.5, _leaf(LeafType.STRING), "0.5"),
        (True, _leaf(LeafType.NUMBER), True),
        ("true", _leaf(LeafType.BOOLEAN), True),
        ("yes", _leaf(LeafType.BOOLEAN), "yes"),
        ("12", _leaf(LeafType.NUMBER, LeafType.STRING), "12"),
        ("Over_Due", _leaf(LeafType.STRING, enum=("open", "over due")), "over due"),
        ("OPEN", _leaf(LeafType.STRING, enum=("open", "Open")), "OPEN"),
        (None, _leaf(LeafType.STRING), None),
    ],
)
def test_value_changes_its_type_only_where_nothing_is_lost(value: Any, leaf: Leaf, expected: Any) -> None:
    found = coerced(value, leaf)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-02-28T12:00:00Z", "2026-02-28T12:00:00"),
        ("time", "18:42", "25:00"),
        ("email", "a@example.com", "a@"),
        ("uri", "https://example.com", "a b"),
        ("currency", "EUR", "EURO"),
        ("iban", "DE89 3704 0044 0532 0130 00", "DE89370400440532013001"),
        ("phone", "+49 421 555 0188", "call me"),
        ("uuid", "6f1b3b52-8f5c-4a5e-9d4a-0f8f3b8b1c11", "6f1b"),
    ],
)
def test_format_is_checked(name: str, good: str, bad: str) -> None:
    schema = _object(a={"type": "string", "format": name})
    assert check({"a": good}, schema) == ()
    assert [violation.path for violation in check({"a": bad}, schema)] == ["/a"]


def test_multiples_are_judged_by_the_decimals_that_are_written() -> None:
    schema = _object(a={"type": "number", "multipleOf": 0.01})
    assert check({"a": 119.1}, schema) == ()
    assert [violation.path for violation in check({"a": 119.105}, schema)] == ["/a"]


def test_pattern_that_only_fails_when_it_is_compiled_is_reported_and_keeps_the_data() -> None:
    schema = _object(a={"type": "string", "pattern": "(?<=a+)b"})
    (violation,) = check({"a": "ab"}, read_schema(schema).schema)
    assert (violation.path, "pattern" in violation.message) == ("", True)
