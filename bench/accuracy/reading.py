"""Read documents as a job does, and keep what was read until the code that reads changes."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

import affidavit
from accuracy import copies
from accuracy.truth import Truth
from affidavit.engine import ocr as readers
from affidavit.engine import pipeline
from affidavit.engine.errors import PagesFailed
from affidavit.engine.ports import OcrEngine, OcrWord
from affidavit.engine.result import Document
from affidavit.engine.spec import OcrOptions, Operation, Spec

SOURCES = Path(affidavit.__file__).parent
READING = ("engine.stages.reading", "engine.stages.ingest", "engine.ocr.choice")
SHAPES = frozenset({"engine.result", "engine.spec", "engine.errors", "engine.versions", "errors"})


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of what was read. With `stale`, also what other code read is taken."""

    folder: Path
    stale: bool = False

    def document(self, truth: Truth, *, rasterised: bool = False) -> Document:
        """Return the document as it reads. Raises EngineError, as a job would end with it."""
        data = truth.file.read_bytes()
        kind = f"copy-{copies.REVISION}-" if rasterised else ""
        name = kind + hashlib.sha256(data).hexdigest()[:24]
        known = self._known(name)
        if known is not None:
            return known
        document = self._read(data, truth, rasterised=rasterised)
        _write(self.folder / f"{name}.{code_of(READING)}.json", document.model_dump_json())
        return document

    def _known(self, name: str) -> Document | None:
        pattern = f"{name}.*.json" if self.stale else f"{name}.{code_of(READING)}.json"
        for path in sorted(self.folder.glob(pattern), key=lambda path: -path.stat().st_mtime):
            try:
                return Document.model_validate_json(path.read_bytes())
            except ValidationError:  # written before a member was added or renamed
                continue
        return None

    def _read(self, data: bytes, truth: Truth, *, rasterised: bool) -> Document:
        filename = truth.file.name
        if rasterised:
            data, filename = copies.poor_copy(data, filename, truth.id), "copy.pdf"
        spec = Spec(operation=Operation.PARSE, page_images=False)
        engine = KeptReader(readers.choose(OcrOptions()), self.folder)
        document = pipeline.read(pipeline.Source(data, filename), spec, engine).document
        if document.failed:
            raise PagesFailed([failed.page for failed in document.failed])
        return document


class KeptReader:
    """An OCR engine that reads no image twice while its code stays as it is."""

    def __init__(self, engine: OcrEngine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._module = type(engine).__module__.removeprefix("affidavit.")

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def version(self) -> str:
        return self._engine.version

    def models(self) -> dict[str, str]:
        return self._engine.models()

    def supports(self, languages: tuple[str, ...]) -> bool:
        return self._engine.supports(languages)

    def warm_up(self) -> None:
        self._engine.warm_up()

    def read(self, image: Image.Image, languages: tuple[str, ...]) -> list[OcrWord]:
        seen = hashlib.sha256(f"{image.mode}{image.size}{languages}{self.version}".encode() + image.tobytes())
        path = self._folder / f"ocr-{seen.hexdigest()[:24]}.{code_of((self._module,))}.json"
        if path.exists():
            return [OcrWord(**{**word, "box": tuple(word["box"])}) for word in json.loads(path.read_bytes())]
        words = self._engine.read(image, languages)
        _write(path, json.dumps([asdict(word) for word in words], default=float))
        return words


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text, "utf-8")
    draft.replace(path)


@cache
def code_of(modules: tuple[str, ...]) -> str:
    """Return a hash of the code of these modules and all of ours they import; values' shapes left out."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in found:
            continue
        found.add(name)
        waiting += _imports(path)
    digest = hashlib.sha256()
    for name in sorted(found - SHAPES):
        digest.update((_file(name) or Path()).read_bytes())
    return digest.hexdigest()[:12]


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("affidavit."):
            module = (node.module or "").removeprefix("affidavit.")
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name if _file(name) else module for name in names)


def _file(name: str) -> Path | None:
    path = SOURCES / Path(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.exists()), None)
