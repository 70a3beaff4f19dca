"""`affidavit submit`: send a document to a service and print what comes back.

Standard output gets one JSON document: the result, or the job when nothing was waited for.
Progress and errors go to standard error. Exit codes are those of `Exit`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel

from affidavit.client.call import Submission
from affidavit.client.errors import (
    AffidavitError,
    ApiError,
    ConnectionFailed,
    JobCanceled,
    JobFailed,
    ReviewRequired,
    WaitTimeout,
)
from affidavit.client.models import Job, JobStatus
from affidavit.client.sync_client import Client

BAR_CELLS = 20
EPILOG = """\
exit codes: 0 done; 1 the job failed; 2 the command line or a file is wrong; 3 the service refused;
4 the service could not be reached; 5 --timeout passed (the job goes on); 6 the job was canceled;
7 the job waits for a review; 130 interrupted (the job goes on)"""


class Exit(IntEnum):
    """What the command ends with."""

    DONE = 0
    JOB_FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    TIMEOUT = 5
    CANCELED = 6
    REVIEW_REQUIRED = 7
    INTERRUPTED = 130


EXIT_OF: tuple[tuple[type[AffidavitError], Exit], ...] = (
    (JobFailed, Exit.JOB_FAILED),
    (JobCanceled, Exit.CANCELED),
    (ReviewRequired, Exit.REVIEW_REQUIRED),
    (WaitTimeout, Exit.TIMEOUT),
    (ConnectionFailed, Exit.UNREACHABLE),
    (ApiError, Exit.REFUSED),
)


def submit(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    try:
        arguments = _parser().parse_args(argv)
        submission = _submission(arguments)
        with Client(arguments.url, arguments.api_key) as client:
            answer = _answer(client, submission, arguments, _Screen(sys.stderr, is_quiet=arguments.quiet))
    except SystemExit as stop:  # argparse has said why
        return int(stop.code or 0)
    except AffidavitError as error:
        return _complain(str(error), next(code for kind, code in EXIT_OF if isinstance(error, kind)))
    except (OSError, ValueError) as error:
        return _complain(str(error), Exit.USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted; a job that was accepted goes on", Exit.INTERRUPTED)
    print(answer.model_dump_json(exclude_unset=True, indent=2))
    return Exit.REVIEW_REQUIRED if _waits_for_review(answer) else Exit.DONE


main = submit  # as the table of commands names all its targets


def _answer(
    client: Client, submission: Submission, arguments: argparse.Namespace, screen: _Screen
) -> BaseModel:
    """Return the result, or the job when the caller does not want to wait or a person has to look."""
    key = arguments.idempotency_key
    try:
        if arguments.sync:
            return client.run(
                submission, timeout=arguments.timeout, on_upload=screen.show_upload, idempotency_key=key
            )
        job = client.submit(submission, on_upload=screen.show_upload, idempotency_key=key)
        if not arguments.wait:
            return job
        screen.say(f"{job.id} accepted")
        job = client.wait(job, timeout=arguments.timeout, on_progress=screen.show_job)
    finally:
        screen.end()
    if job.status is JobStatus.REVIEW_REQUIRED:
        return job
    if arguments.artifacts:
        _save(client, job, Path(arguments.artifacts))
    return client.result(job.id)


def _save(client: Client, job: Job, folder: Path) -> None:
    """Write the files that the job made. Their names are the service's, so only the last part counts."""
    folder.mkdir(parents=True, exist_ok=True)
    for artifact in job.artifacts:
        (folder / Path(artifact.name).name).write_bytes(client.artifact(job.id, artifact.name))


def _waits_for_review(answer: BaseModel) -> bool:
    return isinstance(answer, Job) and answer.status is JobStatus.REVIEW_REQUIRED


def _complain(message: str, code: Exit) -> int:
    print(f"affidavit submit: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="affidavit submit",
        description="Send a document to an Affidavit service; with --schema, have that filled from it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", help="a file, a URL, the id of an uploaded file or an earlier job, or - for standard input"
    )
    filling = parser.add_mutually_exclusive_group()
    filling.add_argument(
        "--schema", metavar="FILE", help="JSON Schema of the values to extract, or shorthand"
    )
    filling.add_argument("--template", metavar="NAME", help="a template instead: invoice, or invoice@3")
    parser.add_argument("--operation", metavar="NAME", help="split, classify, schema, ask, ... (see --set)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="parameters",
        metavar="NAME=VALUE",
        help="a parameter of the operation: a text, or JSON; may be repeated",
    )
    parser.add_argument("--artifacts", metavar="FOLDER", help="with --wait: save the files that it made")
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("--wait", action="store_true", help="poll until the job ends, print its result")
    waiting.add_argument("--sync", action="store_true", help="ask for the result in the same request")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="stop waiting after so long")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    _add_options(parser)
    _add_connection(parser)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("options of the job")
    options.add_argument("--pages", help="such as 1-3,7")
    options.add_argument("--password-file", metavar="FILE", help="file with the document's password")
    options.add_argument("--ocr", choices=["auto", "always", "never"], help="when to read by OCR")
    options.add_argument("--ocr-engine", metavar="NAME", help="auto, tesseract, ppocr")
    options.add_argument("--language", action="append", metavar="CODE", help="eng, deu, ...; may be repeated")
    options.add_argument("--words", action="store_true", help="have every word with its box in the result")
    options.add_argument("--model", metavar="NAME", help="auto, none, or one of the installation's models")
    options.add_argument("--strict", action="store_true", help="null for values that are not found on a page")
    options.add_argument("--allow-partial", action="store_true", help="a result even if pages fail")
    options.add_argument("--deadline", type=int, metavar="SECONDS", help="fail it if not done by then")
    options.add_argument("--webhook", metavar="URL", help="have this address told of the end")
    options.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE")
    options.add_argument("--filename", help="name to send instead of the file's own")


def _add_connection(parser: argparse.ArgumentParser) -> None:
    connection = parser.add_argument_group("connection")
    connection.add_argument("--url", default="", help="base URL of the service (default: $AFFIDAVIT_URL)")
    connection.add_argument("--api-key", help="(default: $AFFIDAVIT_API_KEY, which others cannot see)")
    connection.add_argument("--idempotency-key", help="the same key never makes a second job")


def _submission(arguments: argparse.Namespace) -> Submission:
    operation: str = arguments.operation or ("extract" if arguments.schema or arguments.template else "parse")
    return Submission(
        operation=operation.replace("-", "_"),
        source=sys.stdin.buffer.read() if arguments.source == "-" else arguments.source,
        schema=_json_object(Path(arguments.schema)) if arguments.schema else arguments.template,
        options=_options(arguments) or None,
        metadata=_pairs(arguments.metadata) or None,
        filename=arguments.filename,
        deadline_seconds=arguments.deadline,
        webhook=arguments.webhook,
        parameters={
            name: _json_or_text(value) for name, value in _pairs(arguments.parameters, "--set").items()
        },
    )


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for; everything else is left to the service."""
    ocr = {"mode": arguments.ocr, "engine": arguments.ocr_engine, "languages": arguments.language}
    options = {
        "pages": arguments.pages,
        "password": _first_line(arguments.password_file),
        "ocr": {name: value for name, value in ocr.items() if value} or None,
        "words": arguments.words or None,
        "model": arguments.model,
        "strict": arguments.strict or None,
        "allow_partial": arguments.allow_partial or None,
    }
    return {name: value for name, value in options.items() if value is not None}


def _first_line(path: str | None) -> str | None:
    return None if path is None else Path(path).read_text(encoding="utf-8").split("\n", 1)[0]


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not a JSON object")  # noqa: TRY004 - said to a person, as above
    return found


def _json_or_text(value: str) -> Any:
    """Read a list, an object, a number, true, false or null as JSON; all else is a text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _pairs(texts: Sequence[str], option: str = "--metadata") -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if not all(key and equals for key, equals, _ in pairs):
        raise ValueError(f"{option} wants KEY=VALUE")
    return {key: value for key, _, value in pairs}


class _Screen:
    """Show progress: one line that changes on a terminal, a line for each change elsewhere."""

    def __init__(self, stream: TextIO, *, is_quiet: bool) -> None:
        self._stream = stream
        self._is_quiet = is_quiet
        self._is_terminal = stream.isatty()
        self._shown = ""

    def show_upload(self, sent: int, total: int) -> None:
        if self._is_terminal or sent == total:
            self.say(f"{_bar(100 * sent / total)} sent {sent} of {total} bytes")

    def show_job(self, job: Job) -> None:
        progress = job.progress
        place = "" if job.queue_position is None else f", {job.queue_position} ahead"
        message = progress.message or progress.stage or ""
        self.say(f"{_bar(progress.percent)} {job.status}{place} {message}".rstrip())

    def say(self, line: str) -> None:
        line = "".join(letter if letter.isprintable() else "?" for letter in line)  # no escape codes
        if self._is_quiet or line == self._shown:
            return
        if self._is_terminal:
            self._stream.write(f"\r\x1b[K{line}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()
        self._shown = line

    def end(self) -> None:
        if self._is_terminal and self._shown and not self._is_quiet:
            self._stream.write("\n")
            self._stream.flush()


def _bar(percent: float) -> str:
    full = int(BAR_CELLS * min(max(percent, 0), 100) / 100)
    return f"[{'#' * full}{'.' * (BAR_CELLS - full)}] {percent:3.0f} %"
