"""Tell what a source is: bytes to send along, or words that name it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from affidavit.client.models import FileInfo, Job
from affidavit.client.multipart import FilePart, file_part

_FILE_ID = re.compile(r"file_[0-9a-z]{26}")
_JOB_ID = re.compile(r"job_[0-9a-z]{26}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WAYS = (("url", _URL.match), ("file_id", _FILE_ID.fullmatch), ("job_id", _JOB_ID.fullmatch))


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text as a source, apart from paths and URLs, which are strings too."""

    text: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A file that an earlier job made, by its name among the job's artifacts, as a source."""

    job_id: str
    name: str


Source = str | Path | bytes | BinaryIO | FileInfo | Text | Job | Made


def resolve(source: Source, filename: str | None = None) -> FilePart | dict[str, str]:
    """Return the file to send, or the `source` member of the request.

    A string is a URL if it has `://`, the id of an uploaded file or an earlier job if it looks like one,
    else a path.
    """
    named = _named(source, filename)
    if named is not None:
        return named
    assert not isinstance(source, Text | FileInfo | Job | Made), "these are named"
    return file_part(Path(source) if isinstance(source, str) else source, filename)


def _named(source: Source, filename: str | None) -> dict[str, str] | None:
    """Return the `source` member that names it, None for bytes that have to be sent."""
    match source:
        case Text():
            named = filename or source.filename
            return {"text": source.text} | ({"filename": named} if named else {})
        case FileInfo():
            return {"file_id": source.id}
        case Job():
            return {"job_id": source.id}
        case Made():
            return {"job_id": source.job_id, "artifact": source.name}
        case str():
            return next(({way: source} for way, looks in _WAYS if looks(source)), None)
        case _:
            return None


def inline(source: Source, filename: str | None = None) -> dict[str, str]:
    """Return the `source` member with the bytes in it, for items of a batch. For small files."""
    resolved = resolve(source, filename)
    if isinstance(resolved, dict):
        return resolved
    with resolved.opened() as file:
        encoded = base64.b64encode(file.read()).decode("ascii")
    return {"base64": encoded, "filename": resolved.filename}
