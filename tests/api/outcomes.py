"""Write the examples of outcomes in the API's description: `python -m tests.api.outcomes`."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import affidavit.api
from affidavit.engine import operations, pipeline
from affidavit.engine.model import ModelReply
from affidavit.engine.operations.port import Context
from affidavit.engine.source import Source
from affidavit.engine.spec import Operation, Spec

TARGET = Path(affidavit.api.__file__).parent / "outcomes.json"
GERMAN = {
    "Dear Ms Fell,": "Sehr geehrte Frau Fell,",
    "thank you for your order. The bags will leave our warehouse on 16 March 2026.": "vielen Dank für Ihre "
    "Bestellung. Die Beutel verlassen unser Lager am 16. März 2026.",
    "Kind regards\nAda Bell": "Mit freundlichen Grüßen\nAda Bell",
}
OF_EVERY_BODY = {"source", "options"}


def outcome(operation: Operation, member: str, body: dict[str, Any]) -> Any:
    parameters = {name: value for name, value in body.items() if name not in OF_EVERY_BODY}
    source = source_of(body["source"])
    spec = Spec(operation=operation, parameters=parameters)
    context = Context(pipeline.read(source, spec).document, spec, source)
    replies = translation(context) if operation is Operation.TRANSLATE else ()
    result = pipeline.conclude(context, replies=replies).result
    return json.loads(result.model_dump_json(include={member}))[member]


def translation(context: Context) -> tuple[ModelReply, ...]:
    """Return what a model would reply to the example of a translation, the one that cannot be run without."""
    (request,) = pipeline.prompts(context, ())
    said = re.findall(r"^\[(p\d+\.b\d+)\] (.+?)(?=\n\[|\n</)", request.text, re.MULTILINE | re.DOTALL)
    blocks = [{"id": block, "text": GERMAN.get(text.strip(), text.strip())} for block, text in said]
    return (ModelReply(id=request.id, text=json.dumps({"blocks": blocks})),)


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
