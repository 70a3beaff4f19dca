"""The entry point of a walled child that applies a reviewer's corrections to a result.

It runs patterns of the caller's schema, and reads what an earlier child has written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from affidavit.engine.amending import Correction, amend
from affidavit.engine.errors import CorrectionsInvalid, EngineError
from affidavit.engine.evidence import write_extraction
from affidavit.engine.output import Output
from affidavit.engine.result import Document
from affidavit.engine.task import refusal

Emit = Callable[[Mapping[str, object]], None]

MACHINE: Final = "machine.json.zst"  # the result to amend, in the workspace
MAX_FAULTS: Final = 100
FAULT_LENGTH: Final = 500  # characters


def run(request: Mapping[str, Any], document: int | None, workspace: Path, emit: Emit) -> None:  # noqa: ARG001 - as every entry is called
    """Amend the result as `request` asks; tell of the new one, or of each fault and then `error`.

    `request` has `schema`, `corrections`, `limit` in bytes, whether to `seal` what comes of it, and where
    they are still stored the numbers of the `pages` that lie in the workspace, else an empty list.
    """
    output = Output(workspace, request["limit"])
    try:
        result = output.read_result(MACHINE)
        pages = tuple(output.read_page(number) for number in request["pages"])
        read = Document(media_type=result.media_type, page_count=len(pages), pages=pages) if pages else None
        corrections = [Correction.model_validate(each) for each in request["corrections"]]
        amended = amend(result, request["schema"], corrections, read)
        emit({"type": "result", **output.write_result(amended).to_json()})
        if request["seal"]:
            made = write_extraction(amended, output)
            emit({"type": "evidence", "file": made.name, "size": made.size})
    except CorrectionsInvalid as error:
        for fault in error.faults[:MAX_FAULTS]:
            emit({"type": "fault", "path": fault.path, "message": fault.message[:FAULT_LENGTH]})
        emit(refusal(error))
    except EngineError as error:
        emit(refusal(error))
    else:
        emit({"type": "done"})
