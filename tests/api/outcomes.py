"""Write the examples of outcomes in the API's description: `python -m tests.api.outcomes`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import affidavit.api
from affidavit.engine import operations, pipeline
from affidavit.engine.operations.port import Context
from affidavit.engine.source import Source
from affidavit.engine.spec import Operation, Spec

TARGET = Path(affidavit.api.__file__).parent / "outcomes.json"
OF_EVERY_BODY = {"source", "options"}


def outcome(operation: Operation, member: str, body: dict[str, Any]) -> Any:
    parameters = {name: value for name, value in body.items() if name not in OF_EVERY_BODY}
    source = source_of(body["source"])
    spec = Spec(operation=operation, parameters=parameters)
    document = pipeline.read(source, spec).document
    result = pipeline.conclude(Context(document, spec, source)).result
    return json.loads(result.model_dump_json(include={member}))[member]


def source_of(given: dict[str, str]) -> Source:
    if "text" in given:
        return Source(given["text"].encode(), "text.txt")
    return Source(base64.b64decode(given["base64"]), given["filename"])


def write() -> None:
    from affidavit.api.offers import OFFERS

    found = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for entry in operations.ENTRIES:
        first = next(iter(OFFERS[entry.operation].bodies.values()))["value"]
        found[entry.operation.value] = outcome(entry.operation, entry.member, first)
    order = [entry.operation.value for entry in operations.ENTRIES]
    TARGET.write_text(json.dumps({name: found[name] for name in order}, indent=1) + "\n")


if __name__ == "__main__":
    write()
