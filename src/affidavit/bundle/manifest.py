"""The manifest of a bundle, read as strictly as it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from affidavit.bundle.canonical import JsonError, load_canonical
from affidavit.bundle.envelope import BUNDLE

MANIFEST = "manifest.json"
ENVELOPE = "manifest.dsse.json"
LOG_PROOF = "proofs/log.tlog-proof"
TIMESTAMP = "proofs/timestamp.tsr"
MAX_MANIFEST_BYTES = 32 << 20

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z")
_FILE = {"media_type": str, "size": int, "sha256": _HASH}

# Members are exactly these. A tuple lists alternatives, a list stands for any number of its item.
_SHAPE: dict[str, object] = {
    "format": re.compile("affidavit-bundle/1"),
    "bundle_id": _ID,
    "job_id": _ID,
    "operation": _ID,
    "attempt": int,
    "parent": (None, {"bundle_id": _ID, "manifest_sha256": _HASH, "relation": re.compile("review|rerun")}),
    "times": {"submitted_at": _TIME, "sealed_at": _TIME},
    "source": (None, {"name": (None, str), "url": (None, str), **_FILE}),
    "pages": dict,
    "options": dict,
    "engine": dict,
    "chunks": {
        "artifact": re.compile(r"chunks\.ndjson"),
        "algorithm": re.compile("rfc6962-sha256"),
        "count": int,
        "root": _HASH,
    },
    "artifacts": [{"name": str, **_FILE}],
    "log": {"origin": str},
}

# The names of all artifacts in their order, a line each.
_LAYOUT = re.compile(
    r"""(source/[^\n]+\n)?document\.md\ndocument\.json\nchunks\.ndjson\nextraction\.json\n
        (reviewed\.json\n)?request\.json\n(files/[^\n]+\n)*(?P<pages>(pages/([0-9]{4}|[1-9][0-9]{4,})\.webp\n)*)""",
    re.VERBOSE,
)


class ManifestError(ValueError):
    """The manifest is not one; `code` says why: MANIFEST_INVALID or MANIFEST_CONTRADICTS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file as the manifest has it."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says; `value` is all of it."""

    value: Mapping[str, Any]
    artifacts: tuple[Artifact, ...]

    @property
    def subject(self) -> dict[str, Any]:
        """Return what a report says that the bundle is."""
        value = self.value
        told = {"operation": value["operation"], "parent": value["parent"], "source": value["source"]}
        return {"type": BUNDLE, **self.predicate, **told}

    @property
    def predicate(self) -> dict[str, str]:
        """Return the predicate that the statement about this manifest carries."""
        return {
            "bundle_id": self.value["bundle_id"],
            "job_id": self.value["job_id"],
            "sealed_at": self.value["times"]["sealed_at"],
        }


def parse(data: bytes) -> Manifest:
    """Return the manifest. Raise `ManifestError` if a member is missing, unknown, or contradicts another."""
    try:
        value = load_canonical(data)
    except JsonError as wrong:
        raise ManifestError("MANIFEST_INVALID", str(wrong)) from wrong
    for misfit in _misfits(value, _SHAPE, ""):
        raise ManifestError("MANIFEST_INVALID", f"It is not as the format has it at '{misfit}'.")
    artifacts = tuple(Artifact(each["name"], each["size"], each["sha256"]) for each in value["artifacts"])
    _refuse_layout(artifacts, value["source"])
    return Manifest(value, artifacts)


def _refuse_layout(artifacts: tuple[Artifact, ...], source: Mapping[str, Any] | None) -> None:
    found = _LAYOUT.fullmatch("".join(f"{artifact.name}\n" for artifact in artifacts))
    if found is None:
        raise ManifestError("MANIFEST_CONTRADICTS", "Its artifacts are not those of a bundle in their order.")
    pages = found["pages"].split()
    if pages != sorted(set(pages), key=lambda name: (len(name), name)):
        raise ManifestError("MANIFEST_CONTRADICTS", "Its pages are not in their order.")
    sealed = [(each.size, each.sha256) for each in artifacts if each.name.startswith("source/")]
    if sealed != ([] if source is None else [(source["size"], source["sha256"])]):
        raise ManifestError("MANIFEST_CONTRADICTS", "Its source is not the one among its artifacts.")


def _misfits(value: object, shape: object, where: str) -> Iterator[str]:
    """Yield the JSON Pointers to what is not as the shape has it."""
    match shape:
        case re.Pattern() if isinstance(value, str) and shape.fullmatch(value):
            if shape is _TIME and not _is_time(value):
                yield where
        case type() if type(value) is shape and not (isinstance(value, int) and value < 0):
            return
        case None if value is None:
            return
        case tuple() if any(next(_misfits(value, each, where), None) is None for each in shape):
            return
        case [item] if isinstance(value, list):
            for n, each in enumerate(value):
                yield from _misfits(each, item, f"{where}/{n}")
        case dict() if isinstance(value, dict) and value.keys() == shape.keys():
            for key, each in shape.items():
                yield from _misfits(value[key], each, f"{where}/{key}")
        case _:
            yield where


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False  # such as a 13th month
    return True
