"""What the documentation of schemas and templates shows is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from affidavit.engine import pipeline
from affidavit.engine.errors import SchemaInvalid
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.schema_shorthand import TYPE_NAMES
from affidavit.engine.spec import Operation, Options, Spec
from affidavit.templates.starter import starters

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = re.findall(
    r"^```(\S+) ?(.*?)\n(.*?)^```$", (DOCS / "schema.md").read_text(), re.MULTILINE | re.DOTALL
)


def blocks(about: str) -> list[tuple[str, str]]:
    return [(said, text) for _, said, text in BLOCKS if said.startswith(about)]


@pytest.mark.parametrize("text", [text for _, text in blocks("schema")])
def test_schema_of_the_documentation_is_accepted(text: str) -> None:
    assert read_schema(json.loads(text)).leaves


@pytest.mark.parametrize(("said", "text"), blocks("refused at"))
def test_schema_that_the_documentation_calls_wrong_is_refused_where_it_says(said: str, text: str) -> None:
    with pytest.raises(SchemaInvalid) as refusal:
        read_schema(json.loads(text))
    assert refusal.value.path == said.removeprefix("refused at ")


def test_document_of_the_documentation_gives_the_data_that_it_shows() -> None:
    document = next(text for kind, _, text in BLOCKS if kind == "text")
    schema = read_schema(json.loads(blocks("schema of the document")[0][1])).schema
    spec = Spec(operation=Operation.EXTRACT, json_schema=schema, options=Options(model="none"))
    source = pipeline.Source(document.encode())
    result = pipeline.finish(pipeline.read(source, spec).document, spec)

    expected: Any = json.loads(blocks("data of the document")[0][1])
    assert result.data == expected
    assert [violation.path for violation in result.schema_violations] == ["/due_date"]


def test_every_type_and_every_starter_is_documented() -> None:
    schema, templates = ((DOCS / name).read_text() for name in ("schema.md", "templates.md"))
    assert all(f"`{name}`" in schema for name in TYPE_NAMES)
    assert all(f"| `{name}` |" in templates for name in starters())
