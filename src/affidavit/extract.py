"""`affidavit extract`: read a document in this process, without a server or a database.

For files that you trust: the walls of the worker are not around it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affidavit.engine import pipeline
from affidavit.engine.errors import EngineError, PagesFailed, SchemaInvalid
from affidavit.engine.result import Result
from affidavit.engine.schema_reading import read_schema
from affidavit.engine.spec import OcrEngineName, OcrMode, OcrOptions, Operation, Options, Spec
from affidavit.templates.starter import starters

_NOT_UNDERSTOOD = 2  # as argparse exits


def main(arguments: Sequence[str]) -> int:
    """Print the result as JSON; 1 when the document cannot be read, 2 when the request is wrong."""
    given = _parser().parse_args(arguments)
    try:
        spec = _spec(given)
        source = pipeline.Source.from_path(given.file)
    except (OSError, ValueError, SchemaInvalid) as wrong:
        return _fail(_reason(wrong), _NOT_UNDERSTOOD)
    try:
        result = extract(source, spec)
    except EngineError as error:
        return _fail(f"{error.code}: {error.message}", 1)
    print(result.model_dump_json(indent=2, exclude={"pages"} if given.brief else None))
    return 0


def extract(source: pipeline.Source, spec: Spec) -> Result:
    """Read the document and finish its result. Raises EngineError, as a job would end with it."""
    document = pipeline.read(source, spec, progress=_tell).document
    if document.failed and not spec.options.allow_partial:
        raise PagesFailed([failed.page for failed in document.failed])
    return pipeline.finish(document, spec)


def _spec(given: argparse.Namespace) -> Spec:
    schema = _schema(given)
    ocr: dict[str, Any] = {"mode": given.ocr, "engine": given.ocr_engine}
    if given.languages:
        ocr["languages"] = tuple(given.languages.split(","))
    return Spec(
        operation=Operation.EXTRACT if schema is not None else Operation.PARSE,
        options=Options(
            pages=given.pages,
            password=given.password_file.read_text().splitlines()[0] if given.password_file else None,
            ocr=OcrOptions(**ocr),
            words=given.words,
            allow_partial=given.allow_partial,
        ),
        json_schema=schema,
        page_images=False,
    )


def _schema(given: argparse.Namespace) -> dict[str, Any] | None:
    """Return what is to be filled, in plain JSON Schema: a file's, a starter template's, or nothing."""
    if given.template is None:
        return read_schema(json.loads(given.schema.read_text())).schema if given.schema else None
    starter = starters().get(given.template)
    if starter is None:
        raise ValueError(f"there is no starter template '{given.template}': see `affidavit templates list`")
    return starter.definition.schema


def _reason(wrong: Exception) -> str:
    match wrong:
        case ValidationError():
            return "; ".join(
                f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in wrong.errors()
            )
        case json.JSONDecodeError() | UnicodeDecodeError():
            return f"the schema is not JSON: {wrong}"
        case OSError():
            return f"{wrong.filename}: {wrong.strerror}"
        case _:
            return str(wrong)


def _fail(reason: str, status: int) -> int:
    print(f"affidavit extract: {reason}", file=sys.stderr)
    return status


def _tell(stage: str, message: str, *, page: int | None = None) -> None:  # noqa: ARG001 - the port's shape
    if sys.stderr.isatty():
        print(message, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit extract",
        description="Read a document here, without a server, and print the result as JSON. For files that "
        "you trust: only a server's workers put walls around the reading.",
    )
    parser.add_argument("file", type=Path)
    filling = parser.add_mutually_exclusive_group()
    filling.add_argument(
        "--schema", type=Path, help="JSON Schema to fill, or the shorthand; without one the document is read"
    )
    filling.add_argument("--template", metavar="NAME", help="fill that of a starter template: invoice, ...")
    parser.add_argument("--pages", help="such as 1-3,7")
    parser.add_argument("--password-file", type=Path, help="its first line opens the document")
    parser.add_argument("--ocr", choices=[mode.value for mode in OcrMode], default=OcrMode.AUTO)
    parser.add_argument(
        "--ocr-engine", choices=[name.value for name in OcrEngineName], default=OcrEngineName.AUTO
    )
    parser.add_argument("--languages", help="ISO 639-2 codes, such as eng,deu")
    parser.add_argument("--words", action="store_true", help="with every word and its box")
    parser.add_argument("--allow-partial", action="store_true", help="also when pages could not be read")
    parser.add_argument("--brief", action="store_true", help="without the pages")
    return parser
